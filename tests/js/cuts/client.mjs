// One client: a reader whose road is cut again and again, and a writer whose own is not. It hears every message of its
// three conversations once and in order, who types there, and whether the staff may be spoken to.

import { randomUUID } from 'node:crypto';
import { setTimeout as pause } from 'node:timers/promises';

import { io } from 'socket.io-client';

import { road } from './road.mjs';

/** What has not come by then never will. */
const PATIENCE_MS = 60_000;

const CONVERSATIONS = 3;

/** With every so manieth message somebody was seen to type. */
const TYPES_EVERY = 5;

/** Whoever goes on typing says so this often. */
const TYPES_AGAIN_MS = 2_000;

const typing = (id) => ({ conversation: { id }, typing: true });

/** So much of what was told of the staff is kept. */
const TOLD_OF_STAFF = 6;

/** How a client connects: `delay` is for how long it waits before its first attempt to come back, and a fifth of the longest. */
export const options = (delay) => ({
  transports: ['websocket'],
  forceNew: true,
  reconnectionDelay: delay,
  reconnectionDelayMax: 5 * delay,
});

/** Canonical codes that say nothing of the request: the core was away, or too slow. */
const TRY_AGAIN = [14, 4];

/** Asks until it is answered: the same request, so that it happens once. */
export async function call(socket, name, request) {
  const until = Date.now() + PATIENCE_MS;
  while (Date.now() < until) {
    const answer = await socket.timeout(5_000).emitWithAck(name, request).catch(() => undefined);
    if (answer?.response) return answer.response;
    if (answer && !TRY_AGAIN.includes(answer.error.code)) throw new Error(`${name}: ${JSON.stringify(answer.error)}`);
    await pause(50);
  }
  throw new Error(`${name}: not answered in ${PATIENCE_MS} ms`);
}

/** What was said in one conversation, and what was heard of it. */
class Conversation {
  sent = [];
  heard = [];
  last = undefined;

  get isSettled() {
    return this.heard.length >= this.sent.length;
  }
}

export class Client {
  #index;
  #tally;
  #staff;
  #writer;
  #reader;
  #road;
  #conversations;
  #first = true;
  #cut = false;
  /** The conversations in which somebody is shown to type. */
  #typing = new Set();
  #seesTyping = false;
  #availability;
  /** What was last told of the staff: for whoever looks for the reason of a fault. */
  #toldOfStaff = [];
  #changed = () => {};

  constructor(index, staff, tally) {
    this.#index = index;
    this.#staff = staff;
    this.#tally = tally;
  }

  /** Comes in, and resolves when the server has said so. `staff` is the id of who serves it. */
  static async enter({ index, token, base, delay, staff, tally }) {
    const client = new Client(index, staff, tally);
    client.#writer = io(`${base}/native`, { ...options(delay), auth: { token } });
    const ids = [];
    for (let n = 0; n < CONVERSATIONS; n += 1) {
      const request = { kind: `k${n}`, requestId: randomUUID() };
      ids.push((await call(client.#writer, 'CreateConversation', request)).conversation.id);
    }
    client.#conversations = new Map(ids.map((id) => [id, new Conversation()]));
    const { hostname, port } = new URL(base);
    client.#road = await road(hostname, port);
    const auth = { token, watch: ids, presence: true };
    const reader = io(`http://127.0.0.1:${client.#road.port}/native`, { ...options(delay), auth });
    client.#reader = reader;
    reader.on('event', (event, offset) => client.#hear(event, offset));
    await new Promise((resolve, reject) => {
      reader.on('connected', ({ recovered }) => {
        client.#connected(recovered);
        resolve();
      });
      // A road that is cut says nothing; whoever is refused is told why.
      reader.on('connect_error', ({ message, data }) => {
        if (!data) return;
        tally.fault(`client ${index} was refused: ${message}`);
        reject(new Error(message));
      });
    });
    return client;
  }

  #connected(recovered) {
    this.#tally.connects += 1;
    // States are told anew to whoever comes back.
    this.#typing.clear();
    this.#cut = false;
    if (this.#first) this.#first = false;
    else if (recovered && this.#reader.recovered) this.#tally.recovered += 1;
    else this.#tally.fault(`client ${this.#index} was not recovered`);
    this.#changed();
  }

  #hear(event, offset) {
    if (event.sequence) this.#hearStored(event, offset);
    else {
      this.#tally.state(event, offset);
      this.#seeTyping(event);
      this.#seePresence(event);
    }
    this.#changed();
  }

  #hearStored(event, offset) {
    if (typeof offset !== 'string') this.#tally.fault('a stored event has no offset');
    const conversation = this.#conversations.get(event.conversationId);
    const sequence = Number(event.sequence);
    if (conversation.last !== undefined && sequence !== conversation.last + 1) {
      this.#tally.fault(`client ${this.#index}: ${sequence} after ${conversation.last}`);
    }
    conversation.last = sequence;
    if (!event.messageSent) return;
    this.#tally.messages += 1;
    conversation.heard.push(event.messageSent.message.text);
  }

  #seeTyping({ conversationId, typingState }) {
    if (!typingState) return;
    if (typingState.authors?.length > 0) this.#typing.add(conversationId);
    else this.#typing.delete(conversationId);
  }

  /** The staff are seen by everybody: in a snapshot after each connect, and with each change. */
  #seePresence({ presenceSnapshot, presenceChanged }) {
    if (!presenceSnapshot && !presenceChanged) return;
    const told = presenceChanged ? [presenceChanged.presence] : (presenceSnapshot.presences ?? []);
    const staff = told.find(({ person }) => person.userId === this.#staff);
    if (staff) this.#availability = staff.availability;
    const revision = (presenceChanged ?? presenceSnapshot).revision;
    const of = presenceChanged ? 'change' : `snapshot of ${told.length}`;
    this.#toldOfStaff.push(`${revision} ${of}: ${staff?.availability ?? 'not them'}`);
    this.#toldOfStaff.splice(0, this.#toldOfStaff.length - TOLD_OF_STAFF);
  }

  async cut(away) {
    // Only who is in can be recovered; a crash may have come first.
    if (this.#reader.connected && !this.#cut) {
      this.#cut = true;
      this.#tally.cuts += 1;
    }
    await this.#road.cut(away);
  }

  async write(number) {
    const ids = [...this.#conversations.keys()];
    const id = ids[number % ids.length];
    if (number % TYPES_EVERY === 0) this.#writer.emit('SetTyping', typing(id));
    const text = `client ${this.#index} message ${number}`;
    await call(this.#writer, 'SendMessage', { conversation: { id }, text, requestId: randomUUID() });
    this.#conversations.get(id).sent.push(text);
  }

  /**
   * Everything sent was heard, and what the staff show last, and who types; or it was waited for long enough. Whoever goes
   * on typing says so again and again, since a mark is over after a few seconds.
   */
  async settled(availability) {
    const [first] = this.#conversations.keys();
    const goesOnTyping = setInterval(() => this.#writer.emit('SetTyping', typing(first)), TYPES_AGAIN_MS);
    await call(this.#writer, 'SetTyping', typing(first));
    await new Promise((resolve) => {
      const late = setTimeout(resolve, PATIENCE_MS);
      this.#changed = () => {
        const all = [...this.#conversations.values()].every((conversation) => conversation.isSettled);
        if (this.#cut || !all || !this.#typing.has(first) || this.#availability !== availability) return;
        clearTimeout(late);
        resolve();
      };
      this.#changed();
    });
    clearInterval(goesOnTyping);
    this.#seesTyping = this.#typing.has(first);
  }

  /** Says what did not hold. */
  judge(availability) {
    for (const { sent, heard } of this.#conversations.values()) {
      if (heard.join('\n') === sent.join('\n')) continue;
      this.#tally.fault(`client ${this.#index}: sent ${sent.length}, heard ${heard.length} or in another order`);
    }
    if (!this.#seesTyping) this.#tally.fault(`client ${this.#index} does not see who types`);
    if (this.#availability !== availability) {
      const told = this.#toldOfStaff.join('; ');
      this.#tally.fault(`client ${this.#index}: the staff are ${availability}, and it sees ${this.#availability} (${told})`);
    }
  }

  close() {
    this.#reader.disconnect();
    this.#writer.disconnect();
    this.#road.close();
  }
}
