// What the vendors' own packages make, with time and chance at rest: one JSON object to standard output; or, given a file,
// fails unless that holds just the same.
// Time and chance stand still before the packages are loaded, since one of them draws its salt while it is.
const fs = require("node:fs");

const NOW = 1700000000;
const RealDate = Date;
global.Date = class extends RealDate {
  constructor(...given) {
    super(...(given.length === 0 ? [NOW * 1000] : given));
  }
  static now() {
    return NOW * 1000;
  }
};
Math.random = () => 0.25;

const old = require("agora-access-token");
const agora = require("agora-token");

const APP = "970CA35de60c44645bbae8a215061b33";
const CERTIFICATE = "5CFd2fd1755d40ecb72977518be15d3b";
const KEY = "APIkey42";
const SECRET = "a secret that livekit would draw";
const NAME = 'Jane "J" Döe';
const CALLS = [
  { channel: "session_7d72365eb983485397e3e3f9d460bdda", uid: "user_2abc", publishes: true },
  { channel: "session_7d72365eb983485397e3e3f9d460bdda", uid: "user_2abc", publishes: false },
  { channel: "r", uid: 0, publishes: true },
  { channel: "r", uid: "0", publishes: true },
  { channel: "Prüfung {~} 漢字", uid: "जया", publishes: false },
  { channel: "c".repeat(63), uid: "u".repeat(255), publishes: true },
];

async function main() {
  const { AccessToken } = await import("livekit-server-sdk");
  const made = [];
  for (const { channel, uid, publishes } of CALLS) {
    const role = publishes ? 1 : 2;
    const video = {
      roomJoin: true,
      room: channel,
      canPublish: publishes,
      canSubscribe: true,
      canPublishData: publishes,
    };
    const name = publishes ? NAME : undefined;
    const livekit = new AccessToken(KEY, SECRET, { identity: String(uid), name, ttl: 600 });
    livekit.addGrant(video);
    made.push({
      channel,
      uid: uid === 0 ? "" : uid,
      identity: String(uid),
      publishes,
      agora006: old.RtcTokenBuilder.buildTokenWithAccount(APP, CERTIFICATE, channel, uid, role, NOW + 3600),
      agora007: agora.RtcTokenBuilder.buildTokenWithUserAccount(APP, CERTIFICATE, channel, uid, role, 600, 0),
      agora007_ending: agora.RtcTokenBuilder.buildTokenWithUserAccount(APP, CERTIFICATE, channel, uid, role, 600, 300),
      agora007_rtm:
        uid === 0
          ? ""
          : agora.RtcTokenBuilder.buildTokenWithRtm(APP, CERTIFICATE, channel, uid, role, 600, 300),
      livekit: await livekit.toJwt(),
    });
  }
  const all = { now: NOW, app: APP, certificate: CERTIFICATE, key: KEY, secret: SECRET, made };
  const text = `${JSON.stringify(all, null, 1)}\n`;
  const [file] = process.argv.slice(2);
  if (file === undefined) {
    process.stdout.write(text);
  } else if (fs.readFileSync(file, "utf8") !== text) {
    throw new Error(`${file} is not what the packages make: node rtc_tokens.cjs > ${file}`);
  }
}

main().catch((error) => {
  console.error(error);
  process.exit(1);
});
