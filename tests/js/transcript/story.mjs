// A story: its people, sessions and sockets, and what each kind of line does.

import { Mismatch, fill, matchText } from './pattern.mjs';
import { Socket } from './socket.mjs';
import { Talk } from './talk.mjs';
import { closeConversation } from './typed.mjs';

/** Counts what happens, so that a line can say what came before what. */
class Clock {
  #now = 0;

  next() {
    this.#now += 1;
    return this.#now;
  }
}

export class Story {
  #options;
  #clock = new Clock();
  #known;
  #sockets = new Map();
  /** Requests that were begun and not yet awaited, by name. */
  #requests = new Map();
  #talk;

  constructor(header, options) {
    this.#options = options;
    this.#known = { ...options.people };
    for (const name of header.sessions ?? []) this.#known[name] = sessionId();
    this.#talk = new Talk(options, this.#known, (value, known = this.#known) => fill(value, known));
  }

  /** What a line is called in the report. */
  static title(step) {
    const { who, note, ...what } = step;
    return note ?? `${who ?? '?'} ${JSON.stringify(what).slice(0, 150)}`;
  }

  async play(step) {
    if ('note' in step) return undefined;
    if ('open' in step) return this.#open(step);
    if ('http' in step) return this.#request(step);
    if ('answer' in step) return this.#answer(step);
    if ('closes' in step) return closeConversation(this.#options, this.#token(step.auth), step.closes);
    if (await this.#talk.play(step)) return undefined;
    const socket = this.#sockets.get(step.who);
    if (!socket) throw new Mismatch(`${step.who} has no socket`);
    if ('send' in step) return socket.send(JSON.stringify(this.#fill(step.send)));
    if ('text' in step) return socket.send(this.#fill(step.text));
    if ('binary' in step) return socket.send(Buffer.from(this.#fill(step.binary)), { binary: true });
    if ('repeat' in step) return socket.send(step.repeat.repeat(step.times));
    if ('flood' in step) {
      return socket.flood(JSON.stringify(this.#fill(step.flood)), step.times, JSON.stringify(step.refused));
    }
    if ('expect' in step) return this.#expect(socket, step);
    if ('silence' in step) return socket.silence();
    if ('close' in step) return this.#close(step.who, socket);
    if ('closed' in step) return this.#closed(step, socket);
    throw new Mismatch(`no such line: ${JSON.stringify(step)}`);
  }

  /** Leaves everything as it is. */
  leave() {
    for (const socket of this.#sockets.values()) socket.terminate();
    this.#talk.terminate();
  }

  async #open({ who, open }) {
    if (this.#sockets.has(who)) throw new Mismatch(`${who} has a socket already`);
    const path = open === 'ws' ? '' : open;
    const socket = new Socket(this.#options.ws + path, this.#clock, this.#options.timeoutMs);
    this.#sockets.set(who, socket);
    await socket.opened();
  }

  async #expect(socket, { expect, before }) {
    const { text, at } = await socket.next();
    matchText(text, this.#fill(expect), this.#known);
    if (before === undefined) return;
    const request = this.#begun(before);
    if (request.endedAt !== undefined && request.endedAt < at) {
      throw new Mismatch(`expected: this frame before the answer "${before}"\nreceived: the answer came first`);
    }
  }

  async #close(who, socket) {
    this.#sockets.delete(who);
    await socket.close();
  }

  async #closed({ who, closed }, socket) {
    const code = await socket.closed();
    if (code !== closed) throw new Mismatch(`expected: closed with ${closed}\nreceived: closed with ${code}`);
    this.#sockets.delete(who);
  }

  async #request(step) {
    const request = { step, endedAt: undefined };
    request.answer = this.#fetch(step).finally(() => { request.endedAt = this.#clock.next(); });
    request.answer.catch(() => {});
    if (step.as === undefined) return this.#check(step, await request.answer);
    this.#requests.set(step.as, request);
    return undefined;
  }

  async #answer(step) {
    const request = this.#begun(step.answer);
    this.#requests.delete(step.answer);
    return this.#check(step, await request.answer);
  }

  #begun(name) {
    const request = this.#requests.get(name);
    if (!request) throw new Mismatch(`no request "${name}" was begun`);
    return request;
  }

  async #fetch({ http, auth, headers = {}, json, raw, times = 1 }) {
    const [method, path] = this.#fill(http).split(' ');
    const sent = { ...this.#fill(headers) };
    if (auth !== undefined) sent.authorization = `Bearer ${this.#token(auth)}`;
    if (json !== undefined) sent['content-type'] = 'application/json';
    const body = json === undefined ? raw?.repeat(times) : JSON.stringify(this.#fill(json));
    const response = await fetch(this.#options.base + path, {
      method,
      headers: sent,
      body,
      redirect: 'manual',
      signal: AbortSignal.timeout(this.#options.timeoutMs),
    });
    return { status: response.status, headers: response.headers, text: await response.text() };
  }

  #check({ status, body, plain, has = {}, lacks = [], keeps = {} }, answer) {
    if (answer.status !== status) {
      throw new Mismatch(`expected: status ${status}\nreceived: status ${answer.status} ${answer.text}`);
    }
    if (body !== undefined) matchText(answer.text, this.#fill(body), this.#known);
    if (plain !== undefined && answer.text !== plain) {
      throw new Mismatch(`expected: ${plain}\nreceived: ${answer.text}`);
    }
    for (const [name, value] of Object.entries(has)) {
      const received = answer.headers.get(name);
      if (received !== value) throw new Mismatch(`expected: ${name}: ${value}\nreceived: ${name}: ${received}`);
    }
    for (const name of lacks) {
      const received = answer.headers.get(name);
      if (received !== null) throw new Mismatch(`expected: no ${name}\nreceived: ${name}: ${received}`);
    }
    for (const [name, pattern] of Object.entries(keeps)) this.#keep(answer.headers.get(name) ?? '', pattern);
  }

  /** Keeps the named groups of what a header matches. */
  #keep(received, pattern) {
    const found = received.match(new RegExp(pattern));
    if (!found) throw new Mismatch(`expected: ${pattern}\nreceived: ${received}`);
    Object.assign(this.#known, found.groups);
  }

  /** The token of one of the people, or any other text as it is. */
  #token(auth) {
    return this.#known[auth]?.token ?? this.#fill(auth);
  }

  #fill(value) {
    return fill(value, this.#known);
  }
}

/** A session id as the widget makes it. */
function sessionId() {
  const drawn = Array.from({ length: 9 }, () => Math.floor(Math.random() * 36).toString(36)).join('');
  return `session_${Date.now()}_${drawn}`;
}
