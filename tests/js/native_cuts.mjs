// Clients of the native dialect whose connections are cut again and again: each hears every message of its three
// conversations once and in order, through the standard recovery of `socket.io-client`, while others type and the staff
// come and go. Says "everybody is in" and then what it saw as JSON, and exits with 1 if something did not hold.
//
//   node native_cuts.mjs --base http://HOST:PORT --tokens '["…", …]' --staff TOKEN --seconds 120 --every 15000 --away 2000
//   node native_cuts.mjs --base http://HOST:PORT --secret SECRET --clients 500 --first 500 …
//
// With --secret it makes the tokens of its clients and of the staff itself; --first keeps those of two processes apart.
// --delay is what a client waits before it first tries to come back; the library's own is 1000.
// --key names a conversation of the staff dialect's kind: it is written to once everybody is in and has heard something.

import { randomUUID } from 'node:crypto';
import { setTimeout as pause } from 'node:timers/promises';
import { parseArgs } from 'node:util';

import { io } from 'socket.io-client';

import { Client, call, options } from './cuts/client.mjs';
import { Tally } from './cuts/tally.mjs';
import { sign } from './cuts/token.mjs';

const { values } = parseArgs({
  options: {
    base: { type: 'string' },
    tokens: { type: 'string' },
    staff: { type: 'string' },
    secret: { type: 'string' },
    clients: { type: 'string', default: '1' },
    first: { type: 'string', default: '0' },
    key: { type: 'string' },
    seconds: { type: 'string' },
    every: { type: 'string' },
    away: { type: 'string' },
    pace: { type: 'string', default: '400' },
    delay: { type: 'string', default: '100' },
  },
});
const { base, secret } = values;
const number = (name) => Number(values[name]);
const [seconds, every, away, pace, delay] = ['seconds', 'every', 'away', 'pace', 'delay'].map(number);
const [count, first] = ['clients', 'first'].map(number);
const tokens = secret
  ? Array.from({ length: count }, (_, nth) => sign(secret, `client-${first + nth}`, 'customer'))
  : JSON.parse(values.tokens);
const staff = secret ? sign(secret, `staff-${first}`, 'staff') : values.staff;

/** So many come in at a time. */
const DOORS = 50;

/** The staff show something else so often. */
const SHOW_MS = 1_000;
const SHOWN = ['AVAILABILITY_AVAILABLE', 'AVAILABILITY_BUSY'];

const tally = new Tally();

async function enter(serving) {
  const clients = [];
  let next = 0;
  const door = async () => {
    while (next < tokens.length) {
      const nth = next;
      next += 1;
      clients[nth] = await Client.enter({ index: first + nth, token: tokens[nth], base, delay, staff: serving, tally });
    }
  };
  await Promise.all(Array.from({ length: DOORS }, door));
  return clients;
}

const attendant = io(`${base}/native`, { ...options(delay), auth: { token: staff } });
const { person } = await new Promise((resolve) => attendant.once('connected', resolve));
const clients = await enter(person.userId);
console.log('everybody is in');
const until = Date.now() + seconds * 1000;

async function writes(client, nth) {
  await pause((pace * nth) / clients.length);
  for (let number = 0; Date.now() < until; number += 1) {
    await client.write(number);
    await pause(pace);
  }
}

async function cuts(client, nth) {
  await pause((every * nth) / clients.length);
  while (Date.now() + every < until) {
    await client.cut(away);
    await pause(every);
  }
}

/** Everybody sees whether the staff may be spoken to; gives what they show last. */
async function attend() {
  for (let number = 0; ; number += 1) {
    const availability = SHOWN[number % SHOWN.length];
    await call(attendant, 'SetAvailability', { availability });
    if (Date.now() >= until) return availability;
    await pause(SHOW_MS);
  }
}

async function announce() {
  if (!values.key) return;
  const writer = io(`${base}/native`, { ...options(delay), auth: { token: tokens[0] } });
  await pause(seconds * 300);
  await call(writer, 'SendMessage', { conversation: { key: values.key }, text: 'all are in', requestId: randomUUID() });
  writer.disconnect();
}

const [shown] = await Promise.all([attend(), ...clients.map(writes), ...clients.map(cuts), announce()]);
await Promise.all(clients.map((client) => client.settled(shown)));
clients.forEach((client) => client.judge(shown));
clients.forEach((client) => client.close());
attendant.disconnect();
if (tally.recovered < tally.cuts) tally.fault(`${tally.cuts} cuts, and ${tally.recovered} were recovered from`);
console.log(JSON.stringify({ clients: clients.length, ...tally }));
process.exit(tally.faults > 0 ? 1 : 0);
