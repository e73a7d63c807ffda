// grpc-web as a browser speaks it: connect-web's transport, no generated code (the descriptors are built by buf from
// proto/), unary and server-streaming calls, errors with their reasons, and the cross-origin headers.
//
//   node grpc_web.mjs --base http://127.0.0.1:8080 --tenant demo --vars '{"customer":{"token":…}, "admin":{"token":…}}'
//
// Prints one line for each thing that held and leaves with 1 at the first that did not.

import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';

import { createFileRegistry, fromBinary } from '@bufbuild/protobuf';
import { BinaryReader } from '@bufbuild/protobuf/wire';
import { FileDescriptorSetSchema } from '@bufbuild/protobuf/wkt';
import { Code, ConnectError, createClient } from '@connectrpc/connect';
import { createGrpcWebTransport } from '@connectrpc/connect-web';

/** No call of these takes longer on a machine under load; a missing answer never comes. */
const TIMEOUT_MS = 15_000;

const { values: options } = parseArgs({
  options: {
    base: { type: 'string' },
    tenant: { type: 'string' },
    vars: { type: 'string', default: '{}' },
  },
});
const people = JSON.parse(options.vars);
if (!options.base || !options.tenant || !people.customer || !people.admin) {
  console.error('usage: node grpc_web.mjs --base URL --tenant SLUG --vars \'{"customer":{"token":…},"admin":{"token":…}}\'');
  process.exit(2);
}

const registry = descriptors();

function descriptors() {
  const root = fileURLToPath(new URL('../..', import.meta.url));
  const buf = fileURLToPath(new URL('node_modules/.bin/buf', import.meta.url));
  const image = execFileSync(buf, ['build', root, '-o', '-#format=binpb'], { maxBuffer: 64 * 1024 * 1024 });
  return createFileRegistry(fromBinary(FileDescriptorSetSchema, image));
}

function client(service, token) {
  const identify = (next) => (request) => {
    request.header.set('parlor-tenant', options.tenant);
    if (token) request.header.set('authorization', `Bearer ${token}`);
    return next(request);
  };
  const transport = createGrpcWebTransport({
    baseUrl: options.base,
    interceptors: [identify],
    defaultTimeoutMs: TIMEOUT_MS,
  });
  return createClient(registry.getService(`parlor.v1.${service}`), transport);
}

/** The reason of an error: the first field of its google.rpc.ErrorInfo, with the domain, the second. */
function reason(error) {
  const detail = error.details.find((candidate) => candidate.type === 'google.rpc.ErrorInfo');
  assert.ok(detail, `the error has no ErrorInfo: ${error}`);
  const reader = new BinaryReader(detail.value);
  const info = {};
  while (reader.pos < reader.len) {
    const [field, wire] = reader.tag();
    if (field === 1) info.reason = reader.string();
    else if (field === 2) info.domain = reader.string();
    else reader.skip(wire);
  }
  assert.equal(info.domain, 'parlor');
  return info.reason;
}

async function refused(call, code, expected) {
  try {
    await call();
  } catch (error) {
    assert.ok(error instanceof ConnectError, String(error));
    assert.equal(Code[error.code], Code[code], error.message);
    assert.equal(reason(error), expected);
    return;
  }
  assert.fail('the call succeeded');
}

const key = `grpc-web-${randomUUID()}`;
const conversation = { name: { case: 'key', value: key } };
const chat = client('ChatService', people.customer.token);
const staff = client('ChatService', people.admin.token);

const steps = {
  async 'a call that is open to everybody'() {
    const { jwksJson } = await client('TokenService').getJwks({});
    assert.ok(Array.isArray(JSON.parse(jwksJson).keys));
  },

  async 'a conversation is created, and found again by its key'() {
    const first = await chat.createConversation({ key, kind: 'grpc-web', waiting: true });
    const second = await chat.createConversation({ key, kind: 'grpc-web', waiting: true });
    assert.equal(first.created, true);
    assert.equal(second.created, false);
    assert.equal(first.conversation.id, second.conversation.id);
  },

  async 'a message sent again with its request id is the first message'() {
    const first = await chat.sendMessage({ conversation, text: 'hello', requestId: 'one' });
    const again = await chat.sendMessage({ conversation, text: 'hello', requestId: 'one' });
    assert.equal(first.message.sequence, again.message.sequence);
    await refused(
      () => chat.sendMessage({ conversation, text: 'other', requestId: 'one' }),
      Code.FailedPrecondition,
      'REQUEST_ID_REUSED',
    );
  },

  async 'a watch begins with what is stored and goes on with what comes'() {
    const leave = new AbortController();
    const seen = [];
    const watching = (async () => {
      const events = chat.watchConversation({ conversation, afterSequence: 0n }, { signal: leave.signal });
      for await (const { event } of events) {
        if (event.sequence > 0n) seen.push(event);
        if (event.payload.case !== 'messageSent') continue;
        const { text } = event.payload.value.message;
        if (text === 'hello') await staff.sendMessage({ conversation, text: 'good day' });
        if (text === 'good day') return;
      }
    })();
    await watching;
    leave.abort();
    const sequences = seen.map((event) => Number(event.sequence));
    assert.deepEqual(sequences, sequences.map((_, index) => index + 1), 'each event once, in order, none missing');
  },

  async 'errors carry their code and their reason'() {
    const unknown = { name: { case: 'key', value: `grpc-web-${randomUUID()}` } };
    await refused(() => chat.getConversation({ conversation: unknown }), Code.NotFound, 'CONVERSATION_NOT_FOUND');
    await refused(() => chat.sendMessage({ conversation, text: '' }), Code.InvalidArgument, 'FIELD_INVALID');
    await refused(
      () => chat.sendMessage({ conversation, text: '😀'.repeat(4001) }),
      Code.InvalidArgument,
      'FIELD_INVALID',
    );
    await refused(
      () => client('ChatService').listConversations({}),
      Code.Unauthenticated,
      'CREDENTIAL_MISSING',
    );
    await refused(
      () => client('ChatService', 'a.b.c').listConversations({}),
      Code.Unauthenticated,
      'CREDENTIAL_INVALID',
    );
    await refused(
      () => client('TokenService', people.customer.token).inspectToken({ token: 'x' }),
      Code.PermissionDenied,
      'ROLE_REQUIRED',
    );
  },

  async 'a stream that is refused says why'() {
    const unknown = { name: { case: 'key', value: `grpc-web-${randomUUID()}` } };
    const first = async () => {
      for await (const _ of chat.watchConversation({ conversation: unknown })) return;
    };
    await refused(first, Code.NotFound, 'CONVERSATION_NOT_FOUND');
  },

  async 'what only gateways may call is not here'() {
    const response = await fetch(`${options.base}/parlor.v1.EdgeService/Link`, {
      method: 'POST',
      headers: { 'content-type': 'application/grpc-web+proto', 'x-grpc-web': '1' },
      body: new Uint8Array(5),
    });
    const status = response.headers.get('grpc-status') ?? (await response.text()).match(/grpc-status: ?(\d+)/)?.[1];
    assert.ok(response.status === 404 || status === '12', `status ${response.status}, grpc-status ${status}`);
  },

  async 'another origin may call, and read what it needs'() {
    const origin = 'https://shop.example';
    const names = ['authorization', 'content-type', 'grpc-timeout', 'parlor-tenant', 'x-grpc-web', 'x-user-agent'];
    const preflight = await fetch(`${options.base}/parlor.v1.ChatService/GetConversation`, {
      method: 'OPTIONS',
      headers: {
        origin,
        'access-control-request-method': 'POST',
        'access-control-request-headers': names.join(','),
      },
    });
    assert.ok(preflight.ok, `preflight: ${preflight.status}`);
    const allowed = (preflight.headers.get('access-control-allow-headers') ?? '').toLowerCase();
    assert.ok(['*', origin].includes(preflight.headers.get('access-control-allow-origin')));
    for (const name of names) assert.ok(allowed.includes(name), `${name} is not allowed: ${allowed}`);

    const answer = await fetch(`${options.base}/parlor.v1.TokenService/GetJwks`, {
      method: 'POST',
      headers: { origin, 'content-type': 'application/grpc-web+proto', 'x-grpc-web': '1' },
      body: new Uint8Array(5),
    });
    assert.equal(answer.status, 200);
    assert.ok(['*', origin].includes(answer.headers.get('access-control-allow-origin')));
    const exposed = (answer.headers.get('access-control-expose-headers') ?? '').toLowerCase();
    for (const name of ['grpc-status', 'grpc-message', 'grpc-status-details-bin']) {
      assert.ok(exposed === '*' || exposed.includes(name), `${name} is not exposed: ${exposed}`);
    }
  },
};

const names = Object.keys(steps);
console.log(`TAP version 13\n1..${names.length}`);
for (const [index, name] of names.entries()) {
  try {
    await steps[name]();
    console.log(`ok ${index + 1} - ${name}`);
  } catch (problem) {
    console.log(`not ok ${index + 1} - ${name}\n  ---\n${String(problem.stack).replace(/^/gm, '  ')}\n  ...`);
    process.exit(1);
  }
}
process.exit(0);
