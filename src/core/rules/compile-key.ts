import type { Event } from '../events/event.ts';
import type { Taken } from '../patterns/pattern.ts';
import type { Problems } from './document.ts';
import { compileScalar } from './expression-place.ts';
import { Failure } from './expressions/failure.ts';
import type { StaticType } from './expressions/term.ts';
import { typeOf } from './expressions/values.ts';
import { callFunction, dataOf, eventMeta } from './function-values.ts';
import { canonicalJson } from './hash.ts';
import { KEY_BYTES_MAX, keyExcess } from './key-text.ts';
import type { KeyResult, KeyValue } from './rule-set.ts';
import type { ExpressionSource, KeySource } from './rule-source.ts';

/** A key expression, compiled. */
export interface CompiledKey {
  readonly keyOf: (event: Event) => KeyResult;
  /** The same for key expressions of the same meaning. */
  readonly text: string;
}

/** A key expression sees one event and nothing else. */
const SCOPE = { event: true, key: false, steps: new Map() };
const NOTHING_TAKEN: Taken = { events: () => [], count: () => 0, first: () => undefined, last: () => undefined };
const NONE: KeyResult = { kind: 'none' };

/** The one key of `key: global`. */
export const GLOBAL_KEY = 'global';

/** Compiles `key`; undefined when it has problems. */
export function compileKey(source: KeySource, problems: Problems): CompiledKey | undefined {
  if (source.kind === 'global') {
    const result: KeyResult = { kind: 'key', value: GLOBAL_KEY };
    return { keyOf: () => result, text: 'global' };
  }
  if (source.kind === 'each') return compileEach(source.list, problems);
  const parts = source.parts.map((part) => compilePart(part, problems));
  const known = parts.flatMap((part) => (part === undefined ? [] : [part]));
  if (known.length < parts.length) return undefined;
  const reads = known.map(({ read }) => read);
  const texts = known.map(({ text }) => text);
  const [only] = reads;
  if (!source.list && only !== undefined) return { keyOf: (event) => single(only(event)), text: `key ${texts[0]}` };
  return { keyOf: (event) => composite(reads, event), text: `keys ${canonicalJson(texts)}` };
}

/** Most keys that one event may belong to by `keyEach`. One that has more is a dead letter. */
export const KEYS_MAX = 1_000;

function compileEach(source: ExpressionSource, problems: Problems): CompiledKey | undefined {
  const part = compilePart(source, problems, 'list');
  if (part === undefined) return undefined;
  const { read, text } = part;
  return { keyOf: (event) => each(read(event)), text: `each ${text}` };
}

type Read = (event: Event) => unknown;

function compilePart(
  source: ExpressionSource,
  problems: Problems,
  wants: StaticType = 'any',
): { read: Read; text: string } | undefined {
  if (source.kind === 'function') {
    const { run } = source;
    return {
      read: (event) => callFunction(run, [dataOf(event), eventMeta(event)]),
      text: `function ${run.toString()}`,
    };
  }
  const expression = compileScalar(source, SCOPE, wants, problems);
  if (expression === undefined) return undefined;
  if (!expression.uses.event && !expression.uses.meta) {
    problems.add(
      'KEY_CONSTANT',
      source.place,
      'this key is the same for every event',
      'read a field, as in event.user, or write `key: global` for one key over all events',
    );
    return undefined;
  }
  const { run, text } = expression;
  return { read: (event) => run(event, NOTHING_TAKEN, ''), text };
}

type Scalar = string | number | boolean;

/** A scalar, null when there is none, or why the value is no key. */
function scalar(value: unknown): Scalar | null | Failure {
  if (typeof value === 'string' || typeof value === 'boolean') return value;
  if (typeof value === 'number') return Number.isFinite(value) ? value : new Failure(`the key is ${value}`);
  if (value === null || value === undefined || value instanceof Failure) return value ?? null;
  return new Failure(
    `the key is ${typeOf(value)}; a key is a text, a number or a boolean, and a list of them is written as a list of expressions`,
  );
}

function single(value: unknown): KeyResult {
  const key = scalar(value);
  if (key === null) return NONE;
  return key instanceof Failure ? failed(key) : fitting(key);
}

/** An event that lacks one part of a composite key has no key. A part that fails is told even then. */
function composite(reads: readonly Read[], event: Event): KeyResult {
  const parts: Scalar[] = [];
  for (const read of reads) {
    const part = scalar(read(event));
    if (part instanceof Failure) return failed(part);
    if (part !== null) parts.push(part);
  }
  return parts.length === reads.length ? fitting(parts) : NONE;
}

/** The keys of a list, each once. What is null in it is left out; one that is no key fails them all. */
function each(list: unknown): KeyResult {
  if (list === null || list === undefined) return NONE;
  if (list instanceof Failure) return failed(list);
  if (!Array.isArray(list)) return failed(new Failure(`\`keyEach\` is ${typeOf(list)}, not a list of keys`));
  const values = new Set<Scalar>();
  for (const item of list) {
    const key = scalar(item);
    if (key instanceof Failure) return failed(key);
    if (key !== null) values.add(key);
    // What is counted are keys, not items: a long list of one key is one key.
    if (values.size > KEYS_MAX) {
      return { kind: 'failed', message: `\`keyEach\` gives more than ${KEYS_MAX} keys` };
    }
  }
  if (values.size === 0) return NONE;
  for (const value of values) {
    const fits = fitting(value);
    if (fits.kind === 'failed') return fits;
  }
  return { kind: 'keys', values: [...values], failures: [] };
}

function fitting(value: KeyValue): KeyResult {
  const excess = keyExcess(value);
  if (excess === 0) return { kind: 'key', value };
  return { kind: 'failed', message: `the key has ${KEY_BYTES_MAX + excess} bytes, at most ${KEY_BYTES_MAX} are taken` };
}

const failed = ({ message }: Failure): KeyResult => ({ kind: 'failed', message });
