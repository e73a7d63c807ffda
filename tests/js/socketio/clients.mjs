// The official Socket.IO clients of three generations, the three ways by which each comes, and waiting for what they hear.

import old from 'sio2';
import { io as three } from 'sio3';
import { io as four } from 'socket.io-client';

/** A missing event never comes; a machine under load is slow. */
const PATIENCE_MS = 15_000;

export const CLIENTS = { '2.5': old, '3.1': three, '4.8': four };
export const WAYS = { polling: ['polling'], websocket: ['websocket'], upgrade: ['polling', 'websocket'] };

export function within(promise, what, patience = PATIENCE_MS) {
  let timer;
  const late = new Promise((_, reject) => {
    timer = setTimeout(() => reject(new Error(`waited in vain for ${what}`)), patience);
  });
  return Promise.race([promise, late]).finally(() => clearTimeout(timer));
}

export const once = (emitter, event, patience) =>
  within(new Promise((resolve) => emitter.once(event, (...args) => resolve(args))), event, patience);

export const asked = (socket, ...args) =>
  within(new Promise((resolve) => socket.emit(...args, (...answer) => resolve(answer))), args[0]);

/** Buffers, typed arrays and ArrayBuffers alike, as plain arrays. */
export function plain(value) {
  if (value instanceof ArrayBuffer) return [...new Uint8Array(value)];
  if (ArrayBuffer.isView(value)) return [...new Uint8Array(value.buffer, value.byteOffset, value.byteLength)];
  if (Array.isArray(value)) return value.map(plain);
  if (value && typeof value === 'object') return Object.fromEntries(Object.entries(value).map(([k, v]) => [k, plain(v)]));
  return value;
}
