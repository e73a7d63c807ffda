// What the lines of a story do that are spoken over Socket.IO.

import { Mismatch, matchText } from './pattern.mjs';
import { SocketIo } from './socketio.mjs';

export class Talk {
  #options;
  #known;
  #fill;
  #sockets = new Map();

  constructor(options, known, fill) {
    this.#options = options;
    this.#known = known;
    this.#fill = fill;
  }

  /** Plays a line if it is one of these; says whether it was. */
  async play(step) {
    const { who } = step;
    if ('connect' in step) return this.#connect(step);
    const socket = this.#sockets.get(who);
    if (!socket) return false;
    if ('emit' in step) this.#emit(socket, step);
    else if ('receive' in step) matchText(await socket.event(), this.#fill(step.receive), this.#known);
    else if ('receives' in step) await this.#receives(socket, step.receives);
    else if ('acked' in step) matchText(await socket.answer(step.acked), this.#fill(step.with), this.#known);
    else if ('silence' in step) await socket.silence();
    else if ('cut' in step) await socket.cut();
    else if ('reconnect' in step) await socket.reconnect(this.#fill(step.reconnect));
    else if ('leave' in step) await this.#leave(who, socket);
    else if ('ended' in step) await this.#ended(step, socket);
    else return false;
    return true;
  }

  terminate() {
    for (const socket of this.#sockets.values()) socket.terminate();
  }

  async #connect({ who, connect, refused }) {
    if (this.#sockets.has(who)) throw new Mismatch(`${who} has a connection already`);
    const { auth, headers } = this.#fill(connect);
    const { base, transports, timeoutMs } = this.#options;
    const socket = new SocketIo(base, { transports, timeoutMs, auth, headers });
    if (refused !== undefined) {
      const reason = await socket.refused();
      const accepted = [refused].flat();
      if (!accepted.includes(reason)) throw new Mismatch(`expected: refused for ${accepted}\nreceived: ${reason}`);
      return true;
    }
    this.#sockets.set(who, socket);
    await socket.connected();
    return true;
  }

  #emit(socket, { emit, ack, times = 1 }) {
    for (let sent = 0; sent < times; sent += 1) {
      const numbered = { ...this.#known, n: sent };
      socket.emit(this.#fill(emit, numbered), ack);
    }
  }

  /** These and no others, in any order. */
  async #receives(socket, patterns) {
    const open = [...patterns];
    while (open.length > 0) {
      const text = await socket.event();
      const found = open.findIndex((pattern) => {
        try {
          matchText(text, this.#fill(pattern), this.#known);
          return true;
        } catch (problem) {
          if (problem instanceof Mismatch) return false;
          throw problem;
        }
      });
      if (found < 0) throw new Mismatch(`expected: one of ${JSON.stringify(open)}\nreceived: ${text}`);
      open.splice(found, 1);
    }
  }

  async #leave(who, socket) {
    await socket.leave();
    this.#sockets.delete(who);
  }

  async #ended({ who, ended }, socket) {
    const reason = await socket.ended();
    if (reason !== ended) throw new Mismatch(`expected: ended by ${ended}\nreceived: ${reason}`);
    this.#sockets.delete(who);
  }
}
