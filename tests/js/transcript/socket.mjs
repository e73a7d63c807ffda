// One WebSocket of a story: what it received and nobody has asked for yet, each with its place in time.

import WebSocket from 'ws';

import { Patience } from './patience.mjs';
import { Mismatch } from './pattern.mjs';

/** Every socket answers this so, at once and in order, whoever it is: what comes between is not silence. */
const BARRIER = 'null';
const BARRIER_ANSWER = '{"type":"error","message":"Invalid message format"}';

export class Socket {
  #ws;
  #clock;
  #patience;
  #frames = [];
  #closed;
  #pongs = 0;
  #flooded = false;

  constructor(url, clock, timeoutMs) {
    this.#clock = clock;
    this.#patience = new Patience(timeoutMs);
    this.#ws = new WebSocket(url);
    this.#ws.on('message', (data) => this.#note(() => this.#frames.push({ text: data.toString(), at: clock.next() })));
    this.#ws.on('pong', () => this.#note(() => { this.#pongs += 1; }));
    this.#ws.on('close', (code, reason) => this.#note(() => { this.#closed = { code, reason: reason.toString() }; }));
    this.#ws.on('error', (problem) => this.#note(() => { this.#closed ??= { code: 0, reason: problem.message }; }));
  }

  async opened() {
    if (this.#ws.readyState === WebSocket.CONNECTING) {
      this.#ws.once('open', () => this.#patience.wake());
      await this.#patience.until(() => this.#ws.readyState === WebSocket.OPEN || this.#closed, 'the socket to open');
    }
    if (this.#closed) throw new Mismatch(`the socket did not open: ${this.#closed.code} ${this.#closed.reason}`);
  }

  send(data, options) {
    this.#ws.send(data, options);
  }

  /** The next frame: its text, and its place in time. */
  async next() {
    await this.#patience.until(() => this.#frames.length > 0 || this.#closed, 'a frame');
    if (this.#frames.length > 0) return this.#frames.shift();
    throw new Mismatch(`expected: a frame\nreceived: the end, ${this.#closed.code} ${this.#closed.reason}`);
  }

  /** Proves that nothing came: asks what is always answered, and the answer is the next frame. */
  async silence() {
    if (this.#flooded) {
      await this.#ping();
      this.#nothingUnread();
      return;
    }
    this.send(BARRIER);
    const { text } = await this.next();
    if (text !== BARRIER_ANSWER) throw new Mismatch(`expected: silence\nreceived: ${text}`);
  }

  /**
   * Sends a frame many times, and proves that some were refused in these words, and nothing else came. The end is asked
   * for by a ping, which is answered whatever the rate, and after the refusal of everything before it. From here on the
   * socket asks so for silence too: how much of its rate it has back is a matter of time.
   */
  async flood(data, times, refusal) {
    this.#flooded = true;
    for (let sent = 0; sent < times; sent += 1) this.send(data);
    await this.#ping();
    const refused = this.#frames.splice(0);
    if (refused.length === 0) throw new Mismatch(`expected: ${refusal}\nreceived: not one of ${times} was refused`);
    const other = refused.find(({ text }) => text !== refusal);
    if (other) throw new Mismatch(`expected: ${refusal}\nreceived: ${other.text}`);
  }

  /** The code the server closed with. */
  async closed() {
    await this.#patience.until(() => this.#closed, 'the server to close the socket');
    this.#nothingUnread();
    return this.#closed.code;
  }

  async close() {
    await this.silence();
    this.#ws.close(1000);
    await this.#patience.until(() => this.#closed, 'the socket to close');
    this.#nothingUnread();
  }

  terminate() {
    this.#ws.terminate();
  }

  /** Asks what is answered once everything before it has been taken. */
  async #ping() {
    const before = this.#pongs;
    this.#ws.ping();
    await this.#patience.until(() => this.#pongs > before || this.#closed, 'a pong');
    if (this.#closed) throw new Mismatch(`expected: a pong\nreceived: the end, ${this.#closed.code} ${this.#closed.reason}`);
  }

  #nothingUnread() {
    if (this.#frames.length > 0) throw new Mismatch(`expected: nothing more\nreceived: ${this.#frames[0].text}`);
  }

  #note(change) {
    change();
    this.#patience.wake();
  }
}
