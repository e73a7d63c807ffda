// The native dialect as the official clients see it: `socket.io-client` over one of its transports, and `ws`.
//
//   node native.mjs --base http://HOST:PORT --transport websocket|polling --vars '{"admin":{"token":…},"customer":…}'

import assert from 'node:assert/strict';
import { parseArgs } from 'node:util';

import { io } from 'socket.io-client';
import WebSocket from 'ws';

const { values } = parseArgs({
  options: { base: { type: 'string' }, transport: { type: 'string' }, vars: { type: 'string' } },
});
const people = JSON.parse(values.vars);

/** What a test waits for comes sooner, or never. */
const PATIENCE_MS = 20_000;

function within(promise, what) {
  let timer;
  const late = new Promise((_, reject) => {
    timer = setTimeout(() => reject(new Error(`waited in vain for ${what}`)), PATIENCE_MS);
  });
  return Promise.race([promise, late]).finally(() => clearTimeout(timer));
}

const once = (emitter, event) =>
  within(new Promise((resolve) => emitter.once(event, (...args) => resolve(args))), event);

function open(auth, mount = 'native') {
  const options = { transports: [values.transport], forceNew: true, reconnection: false, auth };
  const socket = io(`${values.base}/${mount}`, options);
  socket.heard = [];
  socket.waiters = [];
  socket.on('event', (...args) => {
    socket.heard.push(args);
    socket.waiters.forEach((look) => look());
  });
  return socket;
}

async function connected(auth, mount) {
  const socket = open(auth, mount);
  const [greeting] = await Promise.all([once(socket, 'connected'), once(socket, 'connect')]);
  socket.greeting = greeting[0];
  return socket;
}

async function refused(auth, reason, code) {
  const [error] = await once(open(auth), 'connect_error');
  assert.deepEqual(error.data, { code, reason });
  assert.ok(error.message);
}

/** The answer of a request that succeeds. */
async function call(socket, name, request = {}) {
  const answer = await within(socket.emitWithAck(name, request), name);
  assert.ok(answer.response, `${name}: ${JSON.stringify(answer)}`);
  return answer.response;
}

/** The error of a request that does not. */
async function fails(socket, name, request, code, reason) {
  const { error } = await within(socket.emitWithAck(name, request), name);
  assert.ok(error, `${name} was to fail`);
  assert.deepEqual([error.code, error.reason], [code, reason], error.message);
  return error;
}

/** Waits until so many events of a kind were heard. */
function hears(socket, kind, count) {
  const heard = () => socket.heard.filter(([event]) => event[kind]);
  const all = new Promise((resolve) => {
    const look = () => heard().length >= count && resolve(heard());
    socket.waiters.push(look);
    look();
  });
  return within(all, `${count} of ${kind}`);
}

const texts = (heard) => heard.map(([event]) => event.messageSent.message.text);

async function identity() {
  await refused(undefined, 'CREDENTIAL_MISSING', 16);
  await refused({}, 'CREDENTIAL_MISSING', 16);
  await refused({ token: 'nonsense' }, 'CREDENTIAL_INVALID', 16);
  await refused({ token: 7 }, 'FIELD_INVALID', 3);
  await refused({ token: people.customer.token, watch: [7] }, 'FIELD_INVALID', 3);
  await refused({ token: people.customer.token, watch: Array(51).fill('x') }, 'LIMIT_REACHED', 8);
  const socket = await connected({ token: people.customer.token });
  assert.equal(socket.greeting.person.subject, people.customer.id);
  assert.deepEqual(socket.greeting.roles, ['ROLE_CUSTOMER']);
  assert.equal(socket._pid, undefined, 'who names no watches is not recovered');
  socket.disconnect();
  const guest = await connected({}, 'native-for-guests');
  assert.equal(guest.greeting.person, null);
  guest.disconnect();
}

async function calls(socket, conversation) {
  const sent = await call(socket, 'SendMessage', { conversation, text: 'hello' });
  assert.equal(sent.message.text, 'hello');
  const full = 'parlor.v1.ChatService/ListMessages';
  assert.equal((await call(socket, full, { conversation, pageSize: 1 })).messages[0].text, 'hello');
  await call(socket, 'ListOnline');
  await fails(socket, 'NoSuchMethod', {}, 12, 'UNSPECIFIED');
  await fails(socket, 'Link', {}, 12, 'UNSPECIFIED');
  await fails(socket, 'Converse', {}, 12, 'UNSPECIFIED');
  await fails(socket, 'SendMessage', { conversation, text: 'a', nope: 1 }, 3, 'FIELD_INVALID');
  await fails(socket, 'SendMessage', { conversation, text: 7 }, 3, 'FIELD_INVALID');
  await fails(socket, 'SendMessage', [], 3, 'FIELD_INVALID');
  const empty = await fails(socket, 'SendMessage', { conversation, text: '' }, 3, 'FIELD_INVALID');
  assert.equal(empty.fields[0].field, 'text');
  await fails(socket, 'ListMissedEvents', { afterPosition: '1' }, 3, 'FIELD_INVALID');
  await fails(socket, 'ListUsers', {}, 7, 'ROLE_REQUIRED');
  await fails(socket, 'GetConversation', { conversation: { id: crypto.randomUUID() } }, 5, 'CONVERSATION_NOT_FOUND');
  const two = await within(new Promise((resolve) => socket.emit('ListOnline', {}, {}, resolve)), 'a refusal');
  assert.equal(two.error.reason, 'FIELD_INVALID');
  const binary = await within(socket.emitWithAck('ListOnline', Buffer.from([1])), 'a refusal');
  assert.equal(binary.error.reason, 'FIELD_INVALID');
  socket.emit('NoSuchMethod', {});
  const [told] = await once(socket, 'problem');
  assert.deepEqual([told.request, told.error.code], ['NoSuchMethod', 12]);
  socket.emit('SendMessage', { conversation, text: 'x'.repeat(70_000) });
  assert.equal((await once(socket, 'problem'))[0].error.reason, 'LIMIT_REACHED');
}

async function watches(writer, conversation) {
  const reader = await connected({ token: people.customer.token });
  const begun = await call(reader, 'WatchConversation', { conversation });
  assert.equal(begun.conversationId, conversation.id);
  for (let n = 0; n < 200; n += 1) writer.emit('SendMessage', { conversation, text: `burst ${n}` });
  const heard = await hears(reader, 'messageSent', 200);
  assert.deepEqual(texts(heard), Array.from({ length: 200 }, (_, n) => `burst ${n}`));
  const first = Number(begun.afterSequence) + 1;
  heard.forEach(([event, offset], n) => {
    assert.equal(Number(event.sequence), first + n);
    assert.equal(typeof offset, 'string');
    assert.equal(event.offset, offset);
    assert.equal(event.originConnection, undefined);
  });
  const messageSequence = heard[0][0].sequence;
  const thumb = { conversation, messageSequence, emoji: '👍' };
  const { reactions } = await call(writer, 'ReactToMessage', thumb);
  assert.deepEqual([reactions[0].emoji, reactions[0].count, reactions[0].own], ['👍', 1, true]);
  const [[reacted, place]] = await hears(reader, 'reactionChanged', 1);
  assert.deepEqual([reacted.reactionChanged.messageSequence, reacted.offset], [messageSequence, place]);
  const late = await connected({ token: people.admin.token });
  await call(late, 'WatchConversation', { conversation, afterSequence: begun.afterSequence });
  assert.deepEqual(late.heard.filter(([event]) => event.messageSent).map((args) => args.length), Array(200).fill(1));
  assert.deepEqual(texts(late.heard.filter(([event]) => event.messageSent)), texts(heard), 'before the answer');
  await fails(late, 'WatchConversation', { conversation, afterSequence: '999999' }, 3, 'FIELD_INVALID');
  await call(writer, 'SetTyping', { conversation, typing: true });
  const typing = await hears(reader, 'typingState', 1);
  assert.equal(typing.at(-1).length, 1, 'a state has no offset');
  await call(reader, 'UnwatchConversation', { conversationId: conversation.id });
  await call(writer, 'SendMessage', { conversation, text: 'unheard' });
  await hears(late, 'messageSent', 201);
  assert.equal(reader.heard.filter(([event]) => event.messageSent).length, 200);
  await call(late, 'WatchPresence', {});
  await hears(late, 'presenceSnapshot', 1);
  reader.disconnect();
  late.disconnect();
}

/** Cut off between two events, with several conversations interleaved, and after each other place. */
async function recovery(writer) {
  const conversations = [];
  for (let n = 0; n < 3; n += 1) {
    conversations.push({ id: (await call(writer, 'CreateConversation', { kind: `r${n}` })).conversation.id });
  }
  const auth = { token: people.customer.token, watch: conversations.map(({ id }) => id), presence: true };
  const reader = open(auth);
  await once(reader, 'connected');
  assert.equal(reader.recovered, false);
  const pid = reader._pid;
  assert.equal(typeof pid, 'string');
  let number = 0;
  const send = async () => {
    number += 1;
    await call(writer, 'SendMessage', { conversation: conversations[number % 3], text: `n ${number}` });
  };
  // What was told at the beginning may come in pieces; who is cut off after the first has not heard the rest.
  await hears(reader, 'presenceSnapshot', 1);
  const cut = async () => {
    const gone = once(reader, 'disconnect');
    reader.io.engine.close();
    await gone;
  };
  await cut();
  for (let n = 0; n < 7; n += 1) await send();
  for (let round = 0; round < 5; round += 1) {
    reader.connect();
    const [[greeting]] = await Promise.all([once(reader, 'connected'), once(reader, 'connect')]);
    assert.equal(greeting.recovered, true);
    assert.equal(reader.recovered, true);
    assert.equal(reader._pid, pid);
    await hears(reader, 'messageSent', number);
    await send();
    await hears(reader, 'messageSent', number);
    await hears(reader, 'presenceSnapshot', round + 2);
    await cut();
    for (let n = 0; n <= 40 * round; n += 1) await send();
  }
  reader.connect();
  await once(reader, 'connect');
  const heard = await hears(reader, 'messageSent', number);
  assert.deepEqual(texts(heard), Array.from({ length: number }, (_, n) => `n ${n + 1}`));
  // What is nobody's session, or somebody else's, is none.
  for (const [who, wrong] of [['customer', 'nonsense'], ['admin', pid]]) {
    const other = open({ ...auth, token: people[who].token, pid: wrong, offset: 'nonsense' });
    const [greeting] = await once(other, 'connected');
    assert.equal(greeting.recovered, false);
    assert.notEqual(other._pid, wrong);
    other.disconnect();
  }
  // Nor is a place that was never given out.
  const lost = open({ ...auth, pid, offset: 'AAAAAAAAAAAAAAAAAAAAAA' });
  assert.equal((await once(lost, 'connected'))[0].recovered, false);
  assert.notEqual(lost._pid, pid);
  await call(writer, 'SendMessage', { conversation: conversations[0], text: 'anew' });
  assert.deepEqual(texts(await hears(lost, 'messageSent', 1)), ['anew']);
  lost.disconnect();
  reader.disconnect();
}

async function raw(conversation) {
  const socket = new WebSocket(`${values.base.replace('http', 'ws')}/native`);
  const frames = [];
  let wake = () => {};
  socket.on('message', (data) => {
    frames.push(JSON.parse(data));
    wake();
  });
  const next = async () => {
    while (frames.length === 0) await within(new Promise((resolve) => (wake = resolve)), 'a frame');
    return frames.shift();
  };
  await once(socket, 'open');
  const say = (...frame) => socket.send(JSON.stringify(frame));
  say('connect', { token: people.customer.token, watch: [conversation.id] });
  const [name, greeting] = await next();
  assert.equal(name, 'connected');
  assert.equal(typeof greeting.pid, 'string');
  assert.equal(greeting.watching[0].conversationId, conversation.id);
  assert.ok((await next())[1].typingState);
  say('GetConversation', { conversation }, 7);
  const [answer, number, { response }] = await next();
  assert.deepEqual([answer, number, response.conversation.id], ['answer', 7, conversation.id]);
  socket.send('nonsense');
  assert.deepEqual((await next())[1].error.reason, 'FIELD_INVALID');
  say('SendMessage', { conversation, text: 'raw' });
  const [event, { messageSent }, offset] = await next();
  assert.deepEqual([event, messageSent.message.text, typeof offset], ['event', 'raw', 'string']);
  const ended = once(socket, 'close');
  socket.close();
  await ended;

  const stranger = new WebSocket(`${values.base.replace('http', 'ws')}/native`);
  await once(stranger, 'open');
  const left = once(stranger, 'close');
  stranger.send('["ListOnline",{},1]');
  assert.equal(JSON.parse((await once(stranger, 'message'))[0])[0], 'refused');
  assert.equal((await left)[0], 1008);
}

await identity();
const writer = await connected({ token: people.customer.token });
const { id } = (await call(writer, 'CreateConversation', { kind: 'native' })).conversation;
await calls(writer, { id });
const another = await connected({ token: people.customer.token });
await watches(another, { id });
const third = await connected({ token: people.customer.token });
await recovery(third);
await raw({ id });
for (const socket of [writer, another, third]) socket.disconnect();
