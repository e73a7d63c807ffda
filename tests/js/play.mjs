// Plays one transcript with the official `ws` and `socket.io-client` clients and Node's fetch, and says line by line what
// held.
//
//   node play.mjs TRANSCRIPT --base http://127.0.0.1:8080/staff [--ws ws://127.0.0.1:8080/staff] --vars JSON
//     [--transport websocket|polling] [--tenant SLUG]
//
// The vars are the people of the story: {"admin": {"token": …, "id": …, "username": …}, …}. What a transcript needs of
// them, and the whole format, is in ../transcripts/README.md. Exit: 0 all held, 1 something did not, 2 wrong usage.

import { readFileSync } from 'node:fs';
import { parseArgs } from 'node:util';

import { Mismatch } from './transcript/pattern.mjs';
import { Story } from './transcript/story.mjs';

const USAGE = 'usage: node play.mjs TRANSCRIPT --base URL [--ws URL] --vars JSON [--transport websocket|polling] [--tenant SLUG] [--timeout MS]';

/** So long a frame or an answer is waited for, unless said: a machine under load is slow, a missing frame never comes. */
const TIMEOUT_MS = '15000';

function leave(text) {
  console.error(text);
  process.exit(2);
}

function readArguments() {
  try {
    const { values, positionals } = parseArgs({
      allowPositionals: true,
      options: {
        base: { type: 'string' },
        ws: { type: 'string' },
        vars: { type: 'string', default: '{}' },
        transport: { type: 'string', default: 'websocket' },
        tenant: { type: 'string', default: 'demo' },
        timeout: { type: 'string', default: TIMEOUT_MS },
      },
    });
    if (positionals.length !== 1 || !values.base) leave(USAGE);
    const base = values.base.replace(/\/$/, '');
    return {
      file: positionals[0],
      base,
      ws: values.ws ?? base.replace(/^http/, 'ws'),
      people: JSON.parse(values.vars),
      transports: [values.transport],
      tenant: values.tenant,
      timeoutMs: Number(values.timeout),
    };
  } catch (problem) {
    return leave(`${problem.message}\n${USAGE}`);
  }
}

function readLines(file) {
  return readFileSync(file, 'utf8')
    .split('\n')
    .map((text, index) => ({ text: text.trim(), number: index + 1 }))
    .filter(({ text }) => text !== '')
    .map(({ text, number }) => {
      try {
        return { number, step: JSON.parse(text) };
      } catch (problem) {
        return leave(`${file}:${number}: ${problem.message}`);
      }
    });
}

const options = readArguments();
const [header, ...lines] = readLines(options.file);
const missing = (header.step.needs ?? []).filter((name) => !(name in options.people));
if (missing.length > 0) leave(`${options.file}: --vars lacks ${missing.join(', ')}`);

const story = new Story(header.step, options);
let failed = false;
console.log(`TAP version 13\n# ${header.step.story}\n1..${lines.length}`);
for (const [index, { number, step }] of lines.entries()) {
  const title = `${index + 1} - line ${number}: ${Story.title(step)}`;
  try {
    await story.play(step);
    console.log(`ok ${title}`);
  } catch (problem) {
    failed = true;
    const report = problem instanceof Mismatch ? problem.message : (problem.stack ?? String(problem));
    console.log(`not ok ${title}\n  ---\n${report.replace(/^/gm, '  ')}\n  ...`);
    console.log('Bail out! What follows would only follow from this.');
    break;
  }
}
story.leave();
process.exit(failed ? 1 : 0);
