// Two hundred messages of one customer in one turn of its page, each with a callback, as the official client sends them:
// each is answered, stored and heard once, and in their order.
//
//   node support_burst.mjs --base http://HOST:PORT/support --transport websocket|polling --vars '{"root":…,"ann":…}'

import assert from 'node:assert/strict';
import { parseArgs } from 'node:util';

import { io } from 'socket.io-client';

import { Patience } from './transcript/patience.mjs';

const { values } = parseArgs({
  options: { base: { type: 'string' }, transport: { type: 'string' }, vars: { type: 'string' } },
});
const people = JSON.parse(values.vars);

const COUNT = 200;

/** What a test waits for comes sooner, or never. */
const PATIENCE_MS = 20_000;

const patience = new Patience(PATIENCE_MS);
const wanted = Array.from({ length: COUNT }, (_, number) => `burst ${number}`);

/** Somebody who has joined, and what they are told from then on. */
async function joined(user, role) {
  const options = { transports: [values.transport], forceNew: true, reconnection: false, auth: { token: user.token } };
  const socket = io(values.base, options);
  const heard = [];
  socket.on('message:received', (message) => {
    heard.push(message);
    patience.wake();
  });
  for (const wrong of ['message:error', 'connect_error', 'disconnect']) {
    socket.on(wrong, (what) => assert.fail(`${wrong}: ${JSON.stringify(what)}`));
  }
  await socket.emitWithAck('user:join', { userId: user.id, userName: role, role });
  return { socket, heard };
}

const admin = await joined(people.root, 'ADMIN');
const ann = await joined(people.ann, 'CUSTOMER');

const answered = [];
for (const message of wanted) {
  ann.socket.emit('message:send', { message, sender: 'CUSTOMER' }, (...answer) => {
    assert.deepEqual(answer, [], message);
    answered.push(message);
    patience.wake();
  });
}
const all = () => [answered, ann.heard, admin.heard].every((each) => each.length >= COUNT);
await patience.until(all, `${COUNT} answers, and ${COUNT} messages at both`);

// Whatever came twice has come by now: what is asked after it is answered after it.
const conversation = ann.heard[0].conversationId;
const stored = await admin.socket.emitWithAck('conversation:getMessages', { conversationId: conversation });
await ann.socket.emitWithAck('conversation:getMessages', { conversationId: conversation });

assert.deepEqual(answered, wanted);
for (const messages of [ann.heard, admin.heard, stored]) {
  assert.deepEqual(messages.map(({ content }) => content), wanted);
  assert.deepEqual(messages.map(({ id }) => id), stored.map(({ id }) => id));
}
assert.ok(stored.every(({ id }, nth) => nth === 0 || id > stored[nth - 1].id), 'numbered in their order');
process.exit(0);
