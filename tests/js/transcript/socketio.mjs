// One Socket.IO client of a story, the official one: what it received and nobody has asked for yet, in order.

import { io } from 'socket.io-client';

import { Patience } from './patience.mjs';
import { Mismatch } from './pattern.mjs';

/** Every connection answers this so, in order, whoever it is and joined or not: what comes before it is not silence. */
const BARRIER = 'conversation:getMessages';
const BARRIER_ANSWER = '[[]]';

export class SocketIo {
  #socket;
  #patience;
  /** Events, and acknowledgements by the name they were asked for, as they came. */
  #received = [];
  #ended;
  #refused;

  constructor(url, { transports, timeoutMs, auth, headers }) {
    this.#patience = new Patience(timeoutMs);
    // Reconnecting is a line of the story.
    this.#socket = io(url, { transports, auth, extraHeaders: headers, forceNew: true, reconnection: false });
    this.#socket.onAny((...event) => this.#note(() => this.#received.push({ event: JSON.stringify(event) })));
    this.#socket.on('disconnect', (reason) => this.#note(() => { this.#ended = reason; }));
    this.#socket.on('connect', () => this.#note(() => { this.#ended = undefined; }));
    this.#socket.on('connect_error', (problem) => this.#note(() => { this.#refused = problem; }));
  }

  async connected() {
    await this.#patience.until(() => this.#socket.connected || this.#refused, 'the connection');
    if (this.#refused) throw new Mismatch(`expected: a connection\nreceived: ${this.#refused.message}`);
  }

  /** Why it was kept out. */
  async refused() {
    await this.#patience.until(() => this.#socket.connected || this.#refused, 'a refusal');
    if (!this.#refused) throw new Mismatch('expected: a refusal\nreceived: a connection');
    this.#socket.disconnect();
    return this.#refused.message;
  }

  /** Emits an event; while it is cut off, the library keeps it. */
  emit(event, ack) {
    if (ack === undefined) this.#socket.emit(...event);
    else this.#socket.emit(...event, (...answer) => this.#note(() => this.#received.push({ ack, answer: JSON.stringify(answer) })));
  }

  /** The next thing, which must be an event. */
  async event() {
    const next = await this.#next('an event');
    if (next.event === undefined) throw new Mismatch(`expected: an event\nreceived: the acknowledgement ${next.ack} ${next.answer}`);
    return next.event;
  }

  /** The next thing, which must be this acknowledgement. */
  async answer(ack) {
    const next = await this.#next(`the acknowledgement ${ack}`);
    if (next.ack !== ack) throw new Mismatch(`expected: the acknowledgement ${ack}\nreceived: ${JSON.stringify(next)}`);
    return next.answer;
  }

  /** Proves that nothing came: asks what is always answered, and the answer is the next thing. */
  async silence() {
    this.emit([BARRIER], 'barrier');
    const next = await this.#next('the answer to a question');
    if (next.answer !== BARRIER_ANSWER) throw new Mismatch(`expected: silence\nreceived: ${next.event ?? next.answer}`);
  }

  /** The transport ends, as if the network did; the server has heard of it when this is over. */
  async cut() {
    const { engine } = this.#socket.io;
    const closed = engine.transport.name === 'websocket' && new Promise((over) => {
      engine.transport.ws.addEventListener('close', over);
    });
    engine.close();
    await this.#patience.until(() => this.#ended, 'the end');
    await closed;
  }

  /** Connects again, and emits this from the handler of `connect`, as pages do. */
  async reconnect(event) {
    if (event) this.#socket.once('connect', () => this.#socket.emit(...event));
    this.#socket.connect();
    await this.connected();
  }

  async leave() {
    await this.silence();
    this.#socket.disconnect();
    this.#nothingUnread();
  }

  /** Why the server ended it. */
  async ended() {
    await this.#patience.until(() => this.#ended, 'the server to end the connection');
    this.#nothingUnread();
    return this.#ended;
  }

  terminate() {
    this.#socket.disconnect();
  }

  async #next(what) {
    await this.#patience.until(() => this.#received.length > 0 || this.#ended, what);
    if (this.#received.length > 0) return this.#received.shift();
    throw new Mismatch(`expected: ${what}\nreceived: the end, ${this.#ended}`);
  }

  #nothingUnread() {
    if (this.#received.length > 0) throw new Mismatch(`expected: nothing more\nreceived: ${JSON.stringify(this.#received[0])}`);
  }

  #note(change) {
    change();
    this.#patience.wake();
  }
}
