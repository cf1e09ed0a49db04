import type { Emission, EventRef, StepEvents } from '../behaviours/behaviour.ts';
import type { KeyValue } from '../rules/rule-set.ts';
import { formatInstant } from '../time/format-instant.ts';
import type { InstantMs } from '../time/units.ts';
import { unencodable } from './unencodable.ts';

/**
 * The envelope of what a rule emits: a CloudEvent 1.0 in structured mode, on the match stream and on side outputs alike.
 *
 * Its id is `<rule>/<shard>/<ordinal>`, and `<rule>.<side>/<shard>/<ordinal>` on a side output, since each output
 * subject counts by itself; names of rules and sides hold neither `.` nor `/`. Its source is `/<prefix>`, so id and
 * source together are unique over deployments that share one NATS; an update has the id of what it updates, and a revision. The text is built by hand: this is on the hot path
 * when matches are many, and only values that a user chose go through JSON.stringify.
 */
export interface MatchFacts {
  /** The deployment's prefix. */
  readonly prefix: string;
  readonly rule: string;
  readonly ruleVersion: string;
  readonly severity: string | undefined;
  readonly labels: Readonly<Record<string, string>>;
  readonly shard: number;
  /** 1, 2, 3 … on the subject the match goes to. */
  readonly ordinal: number;
  readonly key: KeyValue;
  readonly emission: Emission;
}

export type EncodedMatch =
  | { readonly ok: true; readonly body: Uint8Array }
  /** `emit` holds what JSON cannot: the message names place and value. The match becomes a dead letter (cause `emit`). */
  | { readonly ok: false; readonly message: string };

/** Content type of the envelope. */
export const MATCH_CONTENT_TYPE = 'application/cloudevents+json';

/**
 * Encodes an envelope. Never throws. In `emit`, NaN and infinities become null and fields whose value is undefined are
 * left out, as JSON.stringify does; anything else that JSON cannot hold (a BigInt, a function, a symbol, a map or set,
 * binary, a cycle or nesting beyond 64 levels) is a failure.
 */
export function encodeMatch(facts: MatchFacts): EncodedMatch {
  const { emission, rule, shard, ordinal } = facts;
  const emit = emitText(emission.emit);
  if (!emit.ok) return { ok: false, message: `\`emit\` of rule ${rule} ${emit.message}` };
  const name = emission.side === undefined ? rule : `${rule}.${emission.side}`;
  // An update names what it updates; if that could not be stored, it stands for itself.
  const named = emission.revision === undefined ? ordinal : (emission.identity?.ordinal ?? ordinal);
  let events = '';
  for (const step of emission.events) events += `${events === '' ? '' : ','}${stepText(step)}`;
  const text =
    `{"specversion":"1.0","id":${quote(`${name}/${shard}/${named}`)},"source":${quote(`/${facts.prefix}`)}` +
    `,"type":${quote(emission.side === undefined ? `corral.match.${name}` : `corral.side.${name}`)}` +
    `${timeField('time', emission.time)},"datacontenttype":"application/json"` +
    `,"data":{"rule":${quote(rule)},"ruleVersion":${quote(facts.ruleVersion)},"key":${keyJson(facts.key)}` +
    `,"kind":"${emission.kind}"` +
    `${emission.revision === undefined ? '' : `,"revision":${emission.revision}`}` +
    `${facts.severity === undefined ? '' : `,"severity":${quote(facts.severity)}`}` +
    `,"labels":${JSON.stringify(facts.labels)}` +
    `${timeField('first', emission.first)}${timeField('last', emission.last)}` +
    `${emission.approximate === undefined ? '' : `,"approximate":${JSON.stringify(emission.approximate)}`}` +
    `${emission.suppressed === undefined ? '' : `,"suppressed":${emission.suppressed}`}` +
    `,"events":[${events}]${emit.text === undefined ? '' : `,"emit":${emit.text}`}}}`;
  return { ok: true, body: Buffer.from(text) };
}

/** JSON text of a short string; most need no escape, and then joining is several times faster than JSON.stringify. */
function quote(text: string): string {
  return PLAIN.test(text) ? `"${text}"` : JSON.stringify(text);
}
const PLAIN = /^[ !#-[\]-~]*$/;

const keyJson = (key: KeyValue): string => (typeof key === 'string' ? quote(key) : JSON.stringify(key));

/** A field with an instant; nothing when there is none, or when it lies outside what a date can say. */
function timeField(name: string, time: InstantMs | undefined): string {
  return time === undefined || !(Math.abs(time) <= 8.64e15) ? '' : `,"${name}":"${formatInstant(time)}"`;
}

function stepText(step: StepEvents): string {
  let refs = '';
  for (const ref of step.refs) refs += `${refs === '' ? '' : ','}${refText(ref)}`;
  return `{"step":${quote(step.step)},"count":${step.count},"refs":[${refs}]}`;
}

function refText(ref: EventRef): string {
  return (
    `{"source":${quote(ref.source)},"seq":${ref.seq},"index":${ref.index},"id":${quote(ref.id)}` +
    `${timeField('time', ref.time)}}`
  );
}

type EmitText =
  | { readonly ok: true; readonly text: string | undefined }
  | { readonly ok: false; readonly message: string };

function emitText(emit: unknown): EmitText {
  if (emit === undefined) return { ok: true, text: undefined };
  try {
    const problem = unencodable(emit);
    return problem === undefined ? { ok: true, text: JSON.stringify(emit) } : { ok: false, message: problem };
  } catch (fault) {
    // What can throw is the rule's own code: a getter or toJSON of an object that a module emitted.
    return { ok: false, message: `could not be encoded: ${fault instanceof Error ? fault.message : String(fault)}` };
  }
}
