// The official Socket.IO clients of three generations over restarts of the server, all at once: each by polling, by
// WebSocket and by an upgrade. They exchange answers and bytes; then the server goes, and each comes back by its own
// reconnection, by the way it came, and exchanges again.
//
//   node socketio_restart.mjs http://127.0.0.1:3000 RESTARTS
//
// Says "restart" whenever all have exchanged and the server is to be restarted, and exits with 1 if something did not hold.

import assert from 'node:assert/strict';

import { CLIENTS, WAYS, asked, once, plain } from './socketio/clients.mjs';

const [url, restarts] = process.argv.slice(2);
if (!restarts) {
  console.error('usage: node socketio_restart.mjs URL RESTARTS');
  process.exit(2);
}

/** A client waits longer each time it was in vain. */
const BACK_MS = 30_000;

const RECONNECTION = { reconnection: true, reconnectionDelay: 50, reconnectionDelayMax: 500, timeout: 5_000 };

class Client {
  constructor(version, way) {
    this.name = `socket.io-client ${version} by ${way}`;
    this.transport = way === 'polling' ? 'polling' : 'websocket';
    this.socket = CLIENTS[version](url, { transports: WAYS[way], forceNew: true, ...RECONNECTION });
    this.ids = [];
  }

  /** To be called before it can happen. */
  async isIn() {
    await once(this.socket, 'connect', BACK_MS);
    const { engine } = this.socket.io;
    if (engine.transport.name !== this.transport) await once(engine, 'upgrade');
    assert.equal(engine.transport.name, this.transport);
    assert.ok(!this.ids.includes(this.socket.id), 'it is a new connection');
    this.ids.push(this.socket.id);
  }

  /** Goes and comes back. */
  async comesBack() {
    const back = this.isIn();
    await once(this.socket, 'disconnect');
    await back;
  }

  async exchange() {
    const { socket } = this;
    const back = once(socket, 'message-back');
    socket.emit('message', Buffer.from([0, 1, 255]), { deep: [Buffer.from([2])] }, 'ü€😀');
    assert.deepEqual(plain(await back), [[0, 1, 255], { deep: [[2]] }, 'ü€😀']);
    assert.deepEqual(plain(await asked(socket, 'message-with-ack', Buffer.from([9, 8]), 'x')), [[9, 8], 'x']);
    const acked = once(socket, 'acked');
    socket.once('asked', (question, bytes, answer) => answer(question, bytes));
    socket.emit('ask', 'how?', Buffer.from([7]));
    assert.deepEqual(plain(await acked), ['how?', [7]]);
  }
}

const clients = Object.keys(CLIENTS).flatMap((version) => Object.keys(WAYS).map((way) => new Client(version, way)));

/** Does something with each; whoever fails is named. */
const each = (what) =>
  Promise.all(
    clients.map((client) =>
      what(client).catch((error) => {
        throw new Error(client.name, { cause: error });
      }),
    ),
  );

await each((client) => client.isIn());
await each((client) => client.exchange());
for (let restart = 0; restart < restarts; restart += 1) {
  const back = each((client) => client.comesBack());
  console.log('restart');
  await back;
  await each((client) => client.exchange());
}
for (const { name, socket, ids } of clients) {
  console.log(`ok      ${name}, in ${ids.length} times`);
  socket.close();
}
process.exit(0);
