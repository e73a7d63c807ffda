// Compares JSON as it came with what a transcript expects: values, key order and, for text, the very serialisation.

/** Something is not as the transcript says. */
export class Mismatch extends Error {}

const WILDCARDS = {
  any: () => true,
  iso: (value) => typeof value === 'string' && /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/.test(value),
  id: (value) => typeof value === 'string' && /^[0-9a-f]{24}$/.test(value),
  text: (value) => typeof value === 'string' && value !== '',
  number: (value) => typeof value === 'number',
};

/** Compares a text with a pattern, and names in `captured` what the pattern asks to keep. */
export function matchText(text, pattern, captured) {
  let value;
  try {
    value = JSON.parse(text);
  } catch {
    throw new Mismatch(`expected: ${JSON.stringify(pattern)}\nreceived: ${text}\nbecause:  it is not JSON`);
  }
  const problem = differs(value, pattern, '', captured)
    ?? (JSON.stringify(value) === text ? undefined : 'it is not serialised as JSON.stringify does');
  if (problem) throw new Mismatch(`expected: ${JSON.stringify(pattern)}\nreceived: ${text}\nbecause:  ${problem}`);
}

/** Replaces `$name` and `$name.field` in every string by what is known. */
export function fill(value, known) {
  const whole = typeof value === 'string' && value.match(/^\$([A-Za-z][A-Za-z0-9_]*)$/);
  // A number that is known stays one.
  if (whole && typeof known[whole[1]] === 'number') return known[whole[1]];
  if (typeof value === 'string') {
    return value.replace(/\$([A-Za-z][A-Za-z0-9_]*(?:\.[A-Za-z]+)?)/g, (_, path) => {
      const found = path.split('.').reduce((inner, name) => inner?.[name], known);
      if (found === undefined) throw new Mismatch(`nobody has said what $${path} is`);
      return found;
    });
  }
  if (Array.isArray(value)) return value.map((item) => fill(item, known));
  if (value !== null && typeof value === 'object') {
    return Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, fill(inner, known)]));
  }
  return value;
}

/** Says where and how a value differs; undefined if it does not. */
function differs(value, pattern, path, captured) {
  const at = path || 'the whole';
  const wildcard = typeof pattern === 'string' && pattern.match(/^<([a-z]+)(?::([A-Za-z][A-Za-z0-9_]*))?>$/);
  if (wildcard) {
    const [, kind, name] = wildcard;
    if (!WILDCARDS[kind]) return `${at}: no such wildcard <${kind}>`;
    if (!WILDCARDS[kind](value)) return `${at}: ${JSON.stringify(value)} is no <${kind}>`;
    if (name) captured[name] = value;
    return undefined;
  }
  if (Array.isArray(pattern)) return arrayDiffers(value, pattern, path, captured);
  if (pattern !== null && typeof pattern === 'object') return objectDiffers(value, pattern, path, captured);
  return Object.is(value, pattern) ? undefined : `${at}: ${JSON.stringify(value)} is not ${JSON.stringify(pattern)}`;
}

/** An array matches item by item; `["<includes>", …]` matches if it holds each of these somewhere. */
function arrayDiffers(value, pattern, path, captured) {
  const at = path || 'the whole';
  if (!Array.isArray(value)) return `${at}: ${JSON.stringify(value)} is no array`;
  if (pattern[0] === '<includes>') {
    const absent = pattern.slice(1).find((item) => value.every((held) => differs(held, item, path, captured)));
    return absent && `${at}: nothing in it is ${JSON.stringify(absent)}`;
  }
  if (value.length !== pattern.length) return `${at}: ${value.length} items, not ${pattern.length}`;
  return firstOf(pattern.map((item, index) => () => differs(value[index], item, `${path}[${index}]`, captured)));
}

function objectDiffers(value, pattern, path, captured) {
  const at = path || 'the whole';
  if (value === null || typeof value !== 'object' || Array.isArray(value)) {
    return `${at}: ${JSON.stringify(value)} is no object`;
  }
  const has = Object.keys(value).join(', ');
  const wanted = Object.keys(pattern).join(', ');
  if (has !== wanted) return `${at}: its keys are (${has}), not (${wanted}), in this order`;
  const inner = (key) => (path ? `${path}.${key}` : key);
  return firstOf(Object.keys(pattern).map((key) => () => differs(value[key], pattern[key], inner(key), captured)));
}

function firstOf(checks) {
  for (const check of checks) {
    const problem = check();
    if (problem) return problem;
  }
  return undefined;
}
