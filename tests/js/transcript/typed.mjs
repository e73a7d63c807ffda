// What a story asks of the typed API, because no front-end of it can: over grpc-web, with descriptors that buf makes.

import { execFileSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';

import { createFileRegistry, fromBinary } from '@bufbuild/protobuf';
import { FileDescriptorSetSchema } from '@bufbuild/protobuf/wkt';
import { createClient } from '@connectrpc/connect';
import { createGrpcWebTransport } from '@connectrpc/connect-web';

/** CONVERSATION_STATUS_CLOSED */
const CLOSED = 3;

/** Closes the conversation with this number, as whoever the token proves. */
export async function closeConversation({ base, tenant, timeoutMs }, token, number) {
  const identify = (next) => (request) => {
    request.header.set('parlor-tenant', tenant);
    request.header.set('authorization', `Bearer ${token}`);
    return next(request);
  };
  const baseUrl = new URL(base).origin;
  const transport = createGrpcWebTransport({ baseUrl, interceptors: [identify], defaultTimeoutMs: timeoutMs });
  const chat = createClient(descriptors().getService('parlor.v1.ChatService'), transport);
  await chat.updateConversation({
    conversation: { name: { case: 'number', value: BigInt(number) } },
    values: { status: CLOSED },
    updateMask: { paths: ['status'] },
  });
}

function descriptors() {
  const root = fileURLToPath(new URL('../../..', import.meta.url));
  const buf = fileURLToPath(new URL('../node_modules/.bin/buf', import.meta.url));
  const image = execFileSync(buf, ['build', root, '-o', '-#format=binpb'], { maxBuffer: 64 * 1024 * 1024 });
  return createFileRegistry(fromBinary(FileDescriptorSetSchema, image));
}
