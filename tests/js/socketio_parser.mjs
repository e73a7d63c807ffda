// What the official parser of Socket.IO says: one JSON task for each line of the input, one JSON answer for each.
//
//   {"encode": {"type": 2, "nsp": "/", "id": 1, "data": ["a", {"$bytes": "AQI="}]}}  ->  {"messages": ["51-1[…]", {"$bytes": "AQI="}]}
//   {"decode": ["51-1[…]", {"$bytes": "AQI="}]}  ->  {"packet": {…}}, {"pending": true} or {"error": "…"}

import { createInterface } from 'node:readline';

import { Decoder, Encoder } from 'socket.io-parser';

function toJs(value) {
  if (Array.isArray(value)) return value.map(toJs);
  if (value === null || typeof value !== 'object') return value;
  if (typeof value.$bytes === 'string') return Buffer.from(value.$bytes, 'base64');
  return Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, toJs(inner)]));
}

function fromJs(value) {
  if (Buffer.isBuffer(value)) return { $bytes: value.toString('base64') };
  if (Array.isArray(value)) return value.map(fromJs);
  if (value === null || typeof value !== 'object') return value;
  return Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, fromJs(inner)]));
}

function decode(messages) {
  const decoder = new Decoder();
  let packet;
  decoder.on('decoded', (decoded) => {
    packet = decoded;
  });
  try {
    for (const message of messages) decoder.add(toJs(message));
  } catch (error) {
    return { error: error.message };
  }
  return packet ? { packet: fromJs(packet) } : { pending: true };
}

for await (const line of createInterface({ input: process.stdin })) {
  const task = JSON.parse(line);
  const answer = task.encode ? { messages: new Encoder().encode(toJs(task.encode)).map(fromJs) } : decode(task.decode);
  console.log(JSON.stringify(answer));
}
