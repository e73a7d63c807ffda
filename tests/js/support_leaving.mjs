// Pages that write and leave in the same breath: what they had sent is stored and heard, once and in order.
//
//   node support_leaving.mjs --base http://HOST:PORT/support --transport websocket|polling --vars '{"root":…,"ann":…}'

import assert from 'node:assert/strict';
import { parseArgs } from 'node:util';

import { io } from 'socket.io-client';

import { Patience } from './transcript/patience.mjs';

const { values } = parseArgs({
  options: { base: { type: 'string' }, transport: { type: 'string' }, vars: { type: 'string' } },
});
const people = JSON.parse(values.vars);

/** What a test waits for comes sooner, or never. */
const PATIENCE_MS = 20_000;
const patience = new Patience(PATIENCE_MS);

/** What the admin has heard, in order. */
const heard = [];

function open(user) {
  const options = { transports: [values.transport], forceNew: true, reconnection: false, auth: { token: user.token } };
  return io(values.base, options);
}

const join = (socket, user, role, done) =>
  socket.emit('user:join', { userId: user.id, userName: role, role }, ...(done ? [done] : []));

const admin = open(people.root);
admin.on('message:received', ({ content }) => {
  heard.push(content);
  patience.wake();
});
await new Promise((resolve) => join(admin, people.root, 'ADMIN', resolve));

/** Writes some lines and leaves as told, and waits until all of them were heard. */
async function leaves(how, count, leave) {
  const wanted = Array.from({ length: count }, (_, number) => `${how} ${number}`);
  const before = heard.length;
  await leave((socket) => wanted.forEach((message) => socket.emit('message:send', { message, sender: 'CUSTOMER' })));
  await patience.until(() => heard.length >= before + count, `${count} lines of who ${how}`);
  assert.deepEqual(heard.slice(before), wanted);
}

await leaves('joined and left', 10, async (write) => {
  const socket = open(people.ann);
  await new Promise((resolve) => join(socket, people.ann, 'CUSTOMER', resolve));
  write(socket);
  socket.disconnect();
});

await leaves('joined, wrote and left at once', 3, async (write) => {
  const socket = open(people.ann);
  await new Promise((resolve) => socket.once('connect', resolve));
  join(socket, people.ann, 'CUSTOMER');
  write(socket);
  socket.disconnect();
});

if (values.transport === 'websocket') {
  await leaves('was torn off', 10, async (write) => {
    const socket = open(people.ann);
    await new Promise((resolve) => join(socket, people.ann, 'CUSTOMER', resolve));
    write(socket);
    // What the library still has is lost by it; what the kernel has is not.
    const { engine } = socket.io;
    while (engine.writeBuffer.length > 0) await new Promise((resolve) => engine.once('drain', resolve));
    engine.transport.ws.terminate();
  });
}

// Nothing came twice: what is asked now is answered after it.
await admin.emitWithAck('admin:getConversations');
assert.equal(new Set(heard).size, heard.length);
process.exit(0);
