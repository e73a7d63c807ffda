// Where the servers here keep messages: in memory, or in SQLite with group commit, as durable as Parlor's.
//
// SQLite: WAL and synchronous=FULL; all that came in since the last commit goes into one transaction, and nobody is told of a
// message before it is on disk. A message is one row. What a server counts of a conversation stays in memory: less than
// Parlor stores, so it is in favour of what Parlor is measured beside.

const SCHEMA = `
  CREATE TABLE IF NOT EXISTS message (
    id INTEGER PRIMARY KEY, room TEXT NOT NULL, content TEXT NOT NULL, created_at INTEGER NOT NULL
  ) STRICT;
  CREATE INDEX IF NOT EXISTS message_of_room ON message (room, id);
`;

/**
 * A store in this file; in memory without one. Of it, `append(room, content, kept)` calls `kept(id, createdAt)` once the
 * message is kept, in the order of calls.
 */
export async function openStore(path) {
  return path ? durable(path) : forgetful();
}

function forgetful() {
  let last = 0;
  return { append: (_room, _content, kept) => kept(++last, new Date()) };
}

async function durable(path) {
  // Only here: who keeps nothing does not pay for the library either.
  const { default: Database } = await import("better-sqlite3");
  const database = new Database(path);
  database.pragma("journal_mode = WAL");
  database.pragma("synchronous = FULL");
  database.exec(SCHEMA);
  const insert = database.prepare("INSERT INTO message (room, content, created_at) VALUES (?, ?, ?)");
  const store = database.transaction((messages) => {
    for (const message of messages) {
      message.id = insert.run(message.room, message.content, message.createdAt.getTime()).lastInsertRowid;
    }
  });
  let waiting = [];

  function commit() {
    const messages = waiting;
    waiting = [];
    store(messages);
    for (const { id, createdAt, kept } of messages) kept(id, createdAt);
  }

  function append(room, content, kept) {
    // The first of a batch has it committed once everything that has already arrived was read.
    if (waiting.length === 0) setImmediate(commit);
    waiting.push({ room: String(room), content, kept, createdAt: new Date(), id: 0 });
  }

  return { append };
}
