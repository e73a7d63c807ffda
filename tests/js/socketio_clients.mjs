// The official Socket.IO clients of three generations against the crate's protocol server: each by polling, by WebSocket
// and by an upgrade. Says what it tried, and exits with 1 if something did not hold.
//
//   node socketio_clients.mjs http://127.0.0.1:3000

import assert from 'node:assert/strict';

import { CLIENTS, WAYS, asked, once, plain, within } from './socketio/clients.mjs';

const url = process.argv[2];
if (!url) {
  console.error('usage: node socketio_clients.mjs URL');
  process.exit(2);
}

/** So many signs of life come; whoever asked for them, the oldest client or the server. */
function heartbeats(socket, count) {
  const { engine } = socket.io;
  const seen = new Promise((resolve) => {
    engine.on('packet', function listen({ type }) {
      if (type !== 'ping' && type !== 'pong') return;
      count -= 1;
      if (count > 0) return;
      engine.off('packet', listen);
      resolve();
    });
  });
  return within(seen, `${count} heartbeats`);
}

function open(version, transports, namespace = '/', options = {}) {
  return CLIENTS[version](url + namespace, { transports, forceNew: true, reconnection: false, ...options });
}

async function events(socket) {
  socket.emit('message', 1, 'ü€😀', { 3: [true, null] });
  assert.deepEqual(await once(socket, 'message-back'), [1, 'ü€😀', { 3: [true, null] }]);
  socket.emit('message', Buffer.from([0, 1, 255]), { deep: [Buffer.from([2])] }, 'end');
  assert.deepEqual(plain(await once(socket, 'message-back')), [[0, 1, 255], { deep: [[2]] }, 'end']);
}

async function acknowledgements(socket) {
  assert.deepEqual(await asked(socket, 'message-with-ack', 'a', { b: 1 }), ['a', { b: 1 }]);
  const binary = await asked(socket, 'message-with-ack', Buffer.from([9, 8]), 'x');
  assert.deepEqual(plain(binary), [[9, 8], 'x']);
  socket.once('asked', (question, bytes, answer) => answer(question, bytes));
  socket.emit('ask', 'how?', Buffer.from([7]));
  assert.deepEqual(plain(await once(socket, 'acked')), ['how?', [7]]);
}

/** Two hundred events, some with bytes, while the transport may change under them. */
async function burst(socket) {
  const seen = [];
  const done = new Promise((resolve) => {
    const take = (number) => {
      seen.push(number);
      if (seen.length === 200) resolve(socket.off('message-back', take));
    };
    socket.on('message-back', take);
  });
  for (let number = 0; number < 200; number += 1) {
    if (number % 10 === 0) socket.emit('message', number, Buffer.from([number]));
    else socket.emit('message', number);
    if (number % 25 === 0) await new Promise((resolve) => setImmediate(resolve));
  }
  await within(done, 'two hundred events');
  assert.deepEqual(seen, Array.from({ length: 200 }, (_, number) => number));
}

async function namespaces(version, transports) {
  const socket = open(version, transports, version === '2.5' ? '/custom?token=a%20b' : '/custom', { auth: { token: 'a b' } });
  assert.deepEqual(await once(socket, 'auth'), [{ token: 'a b' }]);
  socket.emit('leave');
  assert.equal((await once(socket, 'disconnect'))[0], 'io server disconnect');
  socket.close();
  const nowhere = open(version, transports, '/nowhere');
  const [error] = await once(nowhere, version === '2.5' ? 'error' : 'connect_error');
  assert.equal(error.message ?? error, 'Invalid namespace');
  nowhere.close();
}

async function story(version, way) {
  const transports = WAYS[way];
  const socket = open(version, transports);
  const engine = () => socket.io.engine;
  await once(socket, 'connect');
  if (version !== '2.5') assert.equal(socket.id.length, 20);
  const still = way === 'upgrade' && engine().transport.name === 'polling';
  const upgraded = still ? once(engine(), 'upgrade') : undefined;
  await burst(socket);
  if (upgraded) await upgraded;
  assert.equal(engine().transport.name, way === 'polling' ? 'polling' : 'websocket');
  await events(socket);
  await acknowledgements(socket);
  await heartbeats(socket, 2);
  await burst(socket);
  assert.equal(socket.connected, true);
  await namespaces(version, transports);
  const gone = once(socket, 'disconnect');
  socket.close();
  assert.equal((await gone)[0], 'io client disconnect');
}

let failed = false;
for (const version of Object.keys(CLIENTS)) {
  for (const way of Object.keys(WAYS)) {
    try {
      await story(version, way);
      console.log(`ok      socket.io-client ${version} by ${way}`);
    } catch (error) {
      failed = true;
      console.log(`FAILED  socket.io-client ${version} by ${way}: ${error.stack}`);
    }
  }
}
process.exit(failed ? 1 : 0);
