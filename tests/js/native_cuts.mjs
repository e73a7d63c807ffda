// Clients of the native dialect whose connections are cut again and again: each hears every message of its three
// conversations once and in order, through the standard recovery of `socket.io-client`, with presence and typing mixed in.
// Says what it saw as JSON, and exits with 1 if something did not hold.
//
//   node native_cuts.mjs --base http://HOST:PORT --tokens '["…", …]' --seconds 120 --every 15000 --away 2000
//
// --key names a conversation of the staff dialect's kind: it is written to once everybody is in and has heard something.

import { createServer, connect as dial } from 'node:net';
import { randomUUID } from 'node:crypto';
import { setTimeout as pause } from 'node:timers/promises';
import { parseArgs } from 'node:util';

import { io } from 'socket.io-client';

const { values } = parseArgs({
  options: {
    base: { type: 'string' },
    tokens: { type: 'string' },
    key: { type: 'string' },
    seconds: { type: 'string' },
    every: { type: 'string' },
    away: { type: 'string' },
    pace: { type: 'string', default: '400' },
  },
});
const { hostname, port } = new URL(values.base);
const tokens = JSON.parse(values.tokens);
const [seconds, every, away, pace] = [values.seconds, values.every, values.away, values.pace].map(Number);

/** Whoever has not heard everything by then never will. */
const PATIENCE_MS = 60_000;

const CONVERSATIONS = 3;

const seen = { clients: tokens.length, cuts: 0, connects: 0, recovered: 0, messages: 0, states: 0, faults: [] };

const fault = (text) => seen.faults.length < 20 && seen.faults.push(text);

/** A road of one client, which can be cut. */
function road() {
  const pairs = new Set();
  let open = true;
  const server = createServer((near) => {
    if (!open) return near.destroy();
    const far = dial(port, hostname);
    const pair = [near, far];
    pairs.add(pair);
    const end = () => {
      pairs.delete(pair);
      near.destroy();
      far.destroy();
    };
    for (const socket of pair) socket.on('error', end).on('close', end);
    near.pipe(far).pipe(near);
  });
  return new Promise((resolve) => {
    server.listen(0, '127.0.0.1', () => {
      resolve({
        port: server.address().port,
        close: () => {
          server.close();
          for (const pair of pairs) pair.forEach((socket) => socket.destroy());
        },
        async cut(ms) {
          open = false;
          for (const pair of [...pairs]) pair.forEach((socket) => socket.resetAndDestroy());
          await pause(ms);
          open = true;
        },
      });
    });
  });
}

const options = { transports: ['websocket'], forceNew: true, reconnectionDelay: 50, reconnectionDelayMax: 500 };

/** Asks until it is answered: the same request, so that it happens once. */
async function call(socket, name, request) {
  for (;;) {
    const answer = await socket.timeout(5_000).emitWithAck(name, request).catch(() => undefined);
    if (answer?.response) return answer.response;
    if (answer && ![14, 4].includes(answer.error.code)) throw new Error(`${name}: ${JSON.stringify(answer.error)}`);
    await pause(50);
  }
}

async function client(token, index) {
  const writer = io(`${values.base}/native`, { ...options, auth: { token } });
  const conversations = [];
  for (let n = 0; n < CONVERSATIONS; n += 1) {
    const request = { kind: `k${n}`, requestId: randomUUID() };
    conversations.push((await call(writer, 'CreateConversation', request)).conversation.id);
  }
  const way = await road();
  const auth = { token, watch: conversations, presence: true };
  const reader = io(`http://127.0.0.1:${way.port}/native`, { ...options, auth });
  const heard = new Map(conversations.map((id) => [id, []]));
  let last = new Map(conversations.map((id) => [id, undefined]));
  let changed = () => {};
  reader.on('event', (event, offset) => {
    if (!event.sequence) {
      seen.states += 1;
      if (offset !== undefined) fault('a state has an offset');
      return;
    }
    if (typeof offset !== 'string') fault('a stored event has no offset');
    const before = last.get(event.conversationId);
    if (before !== undefined && Number(event.sequence) !== before + 1) {
      fault(`client ${index}: ${event.sequence} after ${before}`);
    }
    last.set(event.conversationId, Number(event.sequence));
    if (event.messageSent) {
      seen.messages += 1;
      heard.get(event.conversationId).push(event.messageSent.message.text);
      changed();
    }
  });
  let [first, cut] = [true, false];
  const entered = new Promise((resolve) => reader.once('connected', resolve));
  reader.on('connected', ({ recovered }) => {
    seen.connects += 1;
    cut = false;
    changed();
    if (first) first = false;
    else if (recovered && reader.recovered) seen.recovered += 1;
    else fault(`client ${index} was not recovered`);
  });
  await entered;
  const sent = new Map(conversations.map((id) => [id, []]));
  return {
    close: () => {
      reader.disconnect();
      writer.disconnect();
      way.close();
    },
    async cut() {
      // Only who is in can be recovered; a crash may have come first.
      if (reader.connected && !cut) {
        cut = true;
        seen.cuts += 1;
      }
      await way.cut(away);
    },
    async write(number) {
      const id = conversations[number % CONVERSATIONS];
      if (number % 5 === 0) writer.emit('SetTyping', { conversation: { id }, typing: true });
      const text = `client ${index} message ${number}`;
      await call(writer, 'SendMessage', { conversation: { id }, text, requestId: randomUUID() });
      sent.get(id).push(text);
    },
    /** Everything sent was heard, once and in order. */
    settled: () =>
      new Promise((resolve) => {
        const all = () => !cut && conversations.every((id) => heard.get(id).length >= sent.get(id).length);
        const done = () => {
          if (all()) resolve();
        };
        changed = done;
        done();
        setTimeout(resolve, PATIENCE_MS).unref();
      }),
    judge() {
      for (const id of conversations) {
        if (heard.get(id).join('\n') !== sent.get(id).join('\n')) {
          fault(`client ${index}: sent ${sent.get(id).length}, heard ${heard.get(id).length} or in another order`);
        }
      }
    },
  };
}

const clients = await Promise.all(tokens.map(client));
const until = Date.now() + seconds * 1000;

async function writes(one, index) {
  await pause((pace * index) / clients.length);
  for (let number = 0; Date.now() < until; number += 1) {
    await one.write(number);
    await pause(pace);
  }
}

async function cuts(one, index) {
  await pause((every * index) / clients.length);
  while (Date.now() + every < until) {
    await one.cut();
    await pause(every);
  }
}

async function announce() {
  if (!values.key) return;
  const writer = io(`${values.base}/native`, { ...options, auth: { token: tokens[0] } });
  await pause(seconds * 300);
  await call(writer, 'SendMessage', { conversation: { key: values.key }, text: 'all are in', requestId: randomUUID() });
  writer.disconnect();
}

await Promise.all([...clients.map(writes), ...clients.map(cuts), announce()]);
await Promise.all(clients.map((one) => one.settled()));
clients.forEach((one) => one.judge());
clients.forEach((one) => one.close());
console.log(JSON.stringify(seen));
process.exit(seen.faults.length > 0 || seen.recovered < seen.cuts ? 1 : 0);
