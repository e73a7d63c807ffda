// The tokens that the servers here are shown: HS256, as the systems whose dialects they speak sign them.

import { createHmac, timingSafeEqual } from "node:crypto";

/** The claims of a token with HS256 that is ours and not over, or null. */
export function verify(token, secret) {
  const [head, body, signature] = String(token).split(".");
  const wanted = createHmac("sha256", secret).update(`${head}.${body}`).digest();
  const given = Buffer.from(signature ?? "", "base64url");
  if (given.length !== wanted.length || !timingSafeEqual(given, wanted)) return null;
  if (JSON.parse(Buffer.from(head, "base64url")).alg !== "HS256") return null;
  const claims = JSON.parse(Buffer.from(body, "base64url"));
  return claims.exp * 1000 > Date.now() ? claims : null;
}
