// What Parlor is measured beside: socket.io doing the same work, with the library's own means and nothing clever.
// It speaks the words of the support dialect (join, own conversation, message) and keeps everything in memory; messages
// also in SQLite, if it is told where.
//
//   PORT (0 for any free one), SECRET (of the shop's tokens; without it a claim is believed),
//   NODE_STORE (a file: a message is committed to this database before anybody hears it),
//   PING_INTERVAL and PING_TIMEOUT in milliseconds, RECOVERY=1 for connection state recovery.

import { createServer } from "node:http";
import { Server } from "socket.io";
import { openStore } from "./store.mjs";
import { verify } from "./token.mjs";

const { PORT = "0", SECRET = "", NODE_STORE = "", RECOVERY = "" } = process.env;
const { PING_INTERVAL = "25000", PING_TIMEOUT = "20000" } = process.env;
const HISTORY = 500;

const http = createServer();
const io = new Server(http, {
  serveClient: false,
  pingInterval: Number(PING_INTERVAL),
  pingTimeout: Number(PING_TIMEOUT),
  ...(RECOVERY && { connectionStateRecovery: { maxDisconnectionDuration: 120_000 } }),
});

const store = await openStore(NODE_STORE);
const conversations = new Map();
let lastConversation = 0;

/** The one open conversation of a customer. */
function conversationOf(user) {
  let found = conversations.get(user.id);
  if (!found) {
    const now = new Date();
    found = { id: ++lastConversation, user, status: "OPEN", unreadCount: 0, createdAt: now, updatedAt: now, messages: [] };
    conversations.set(user.id, found);
  }
  return found;
}

function row({ id, user, status, unreadCount, createdAt, updatedAt }) {
  return { id, userId: user.id, status, unreadCount, createdAt, updatedAt };
}

function say(user, content) {
  const conversation = conversationOf(user);
  store.append(conversation.id, content, (id, createdAt) => deliver(conversation, id, content, createdAt));
}

function deliver(conversation, id, content, createdAt) {
  const { user } = conversation;
  const message = { id, conversationId: conversation.id, sender: "CUSTOMER", content, isRead: false, createdAt };
  conversation.unreadCount += 1;
  conversation.updatedAt = createdAt;
  conversation.messages.push(message);
  if (conversation.messages.length > HISTORY) conversation.messages.shift();
  const person = { id: user.id, name: user.name, email: user.email, avatar: null };
  io.to("admins")
    .to(`customer:${user.id}`)
    .emit("message:received", { ...message, conversation: { ...row(conversation), user: person } });
}

if (SECRET) {
  io.use((socket, next) => {
    const claims = verify(socket.handshake.auth.token, SECRET);
    if (!claims) return next(new Error("unauthorized"));
    socket.data.claims = claims;
    next();
  });
}

io.on("connection", (socket) => {
  let user = null;
  if (socket.recovered) user = socket.data.user;
  socket.on("user:join", (claim) => {
    const proven = socket.data.claims ?? { id: claim.userId, role: claim.role };
    if (proven.id !== claim.userId || proven.role !== claim.role) return;
    user = { id: proven.id, name: `user ${proven.id}`, email: `user${proven.id}@bench.example`, role: proven.role };
    socket.data.user = user;
    socket.join(user.role === "ADMIN" ? "admins" : `customer:${user.id}`);
    if (user.role === "ADMIN") socket.emit("admin:online");
  });
  socket.on("customer:getMyConversation", () => {
    if (!user) return;
    const conversation = conversationOf(user);
    const { messages } = conversation;
    socket.emit("customer:myConversation", { conversation: { ...row(conversation), messages }, messages });
  });
  socket.on("message:send", (sent) => {
    if (!user || typeof sent?.message !== "string" || sent.message.length > 4000) {
      return socket.emit("message:error", { error: "Failed to send message" });
    }
    say(user, sent.message);
  });
});

http.listen(Number(PORT), "127.0.0.1", () => {
  console.log(`listening on http://127.0.0.1:${http.address().port}`);
});
for (const signal of ["SIGINT", "SIGTERM"]) process.on(signal, () => process.exit(0));
