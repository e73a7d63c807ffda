// What Parlor's staff dialect is measured beside: `ws` doing the same work, with the library's own means and nothing clever.
// It speaks as much of that dialect as a conversation needs: a session is opened over REST, a customer's sockets register
// for it, staff register with a token and write to it.
//
//   PORT (0 for any free one), SECRET (of the tokens of the staff),
//   NODE_STORE (a file: a message is committed to this database before anybody hears it),
//   PING_INTERVAL in milliseconds: who did not answer the ping before is cut off.

import { createServer } from "node:http";
import { WebSocketServer } from "ws";
import { openStore } from "./store.mjs";
import { verify } from "./token.mjs";

const { PORT = "0", SECRET = "", NODE_STORE = "", PING_INTERVAL = "25000" } = process.env;
const FRAME_BYTES = 64 * 1024;
const TEXT_MAX = 4000;

const store = await openStore(NODE_STORE);

/** The sockets that hear each session. A session that nobody opened is not there. */
const sessions = new Map();

function say(socket, message) {
  socket.send(JSON.stringify(message));
}

function refuse(socket, message) {
  say(socket, { type: "error", message });
}

function register(socket, { sessionId }) {
  if (typeof sessionId !== "string" || sessionId.length < 16 || sessionId.length > 128) {
    return refuse(socket, "Registration failed");
  }
  leave(socket);
  socket.sessionId = sessionId;
  sessions.set(sessionId, (sessions.get(sessionId) ?? new Set()).add(socket));
  say(socket, { type: "registered", sessionId, status: "connected" });
}

function registerAdmin(socket, { token }) {
  const user = token && verify(token, SECRET)?.user;
  if (!user || (user.role !== "staff" && user.role !== "admin")) return refuse(socket, "Authentication failed");
  socket.staff = user;
  say(socket, { type: "admin_registered", userId: user.id, status: "connected" });
}

function staffMessage(socket, { sessionId, content }) {
  if (!socket.staff) return refuse(socket, "Authentication failed");
  if (typeof content !== "string" || content.trim() === "" || content.length > TEXT_MAX) {
    return refuse(socket, "Invalid message content");
  }
  if (!sessions.has(sessionId)) return refuse(socket, "Conversation not found");
  store.append(sessionId, content, (_id, createdAt) => {
    const frame = JSON.stringify({ type: "staff_reply", message: content, timestamp: createdAt.toISOString() });
    for (const hearer of sessions.get(sessionId)) hearer.send(frame);
  });
}

function leave(socket) {
  sessions.get(socket.sessionId)?.delete(socket);
}

function hear(socket, data) {
  let frame;
  try {
    frame = JSON.parse(data);
  } catch {
    return refuse(socket, "Invalid message format");
  }
  switch (frame?.type) {
    case "register":
      return register(socket, frame);
    case "register_admin":
      return registerAdmin(socket, frame);
    case "staff_message":
      return staffMessage(socket, frame);
  }
}

/** `POST /chat/staff/connect` opens a session; there is nothing else. */
async function answer(request, response) {
  let body = "";
  for await (const part of request) body += part;
  const { sessionId } = JSON.parse(body);
  if (!sessions.has(sessionId)) sessions.set(sessionId, new Set());
  response.setHeader("Content-Type", "application/json");
  response.end(JSON.stringify({ success: true, message: "Connected to staff chat", data: { sessionId } }));
}

const http = createServer((request, response) => {
  answer(request, response).catch(() => response.writeHead(400).end());
});
const server = new WebSocketServer({ server: http, maxPayload: FRAME_BYTES });

server.on("connection", (socket) => {
  socket.isAlive = true;
  socket.on("pong", () => (socket.isAlive = true));
  socket.on("message", (data) => hear(socket, data));
  socket.on("close", () => leave(socket));
  socket.on("error", () => socket.terminate());
});

setInterval(() => {
  for (const socket of server.clients) {
    if (!socket.isAlive) {
      socket.terminate();
      continue;
    }
    socket.isAlive = false;
    socket.ping();
  }
}, Number(PING_INTERVAL));

http.listen(Number(PORT), "127.0.0.1", () => {
  console.log(`listening on http://127.0.0.1:${http.address().port}`);
});
for (const signal of ["SIGINT", "SIGTERM"]) process.on(signal, () => process.exit(0));
