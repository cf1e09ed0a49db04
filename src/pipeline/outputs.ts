import type { Emission } from '../core/behaviours/behaviour.ts';
import type { TurnResult } from '../core/behaviours/desk.ts';
import type { RuleIncident, Said } from '../core/behaviours/said.ts';
import { type DeadCause, encodeDeadLetter } from '../core/events/dead-letter.ts';
import { encodeMatch } from '../core/events/match-envelope.ts';
import { ByteWriter } from '../core/shards/byte-writer.ts';
import { writeCell } from '../core/shards/cells.ts';
import type { CommitOutput } from '../core/shards/commit.ts';
import { encodeForward } from '../core/shards/forward.ts';
import type { ShardState } from '../core/shards/shard-state.ts';
import { deadOutput, forwardOutput, matchOutput, sideOutput } from '../core/shards/subjects.ts';
import type { Logger } from '../ports/logger.ts';
import type { Measures } from '../ports/measures.ts';

interface OutputOptions {
  readonly ports: { readonly log: { readonly bodyMax: number }; readonly logger: Logger };
  readonly shard: number;
  readonly prefix: string;
  readonly measures: Measures;
}

/**
 * What goes into the commit for one thing a rule said: its envelope with the next ordinal of its subject (C6), and where
 * the rule names a subject with `to`, what says that the match goes there too. Before the rule's `emitFrom` it is nothing.
 * A dead letter that names the events it was about takes its place when its `emit` cannot be encoded or is too large to
 * be stored, or when it is no match but a partial match given up at a limit.
 */
export function outputsOf(options: OutputOptions, state: ShardState, said: Said): CommitOutput[] {
  const { emission } = said;
  if (emission.kind === 'dropped') return [deadLetterOf(options, state, said, emission.cause, emission.message)];
  const { shard, prefix, measures, ports } = options;
  const { name, version: ruleVersion, severity, labels, emitFrom } = said.rule.rule;
  const { side } = emission;
  const counts = measures.rules.get(name)!;
  if (emitFrom !== undefined && emission.time < emitFrom) {
    counts.heldBack.set('emitFrom', (counts.heldBack.get('emitFrom') ?? 0) + 1);
    return [];
  }
  const subject = side === undefined ? matchOutput(name, shard) : sideOutput(name, side, shard);
  const ordinal = state.lastOrdinal(subject) + 1;
  const facts = { prefix, rule: name, ruleVersion, severity, labels, shard, ordinal, key: said.key.value, emission };
  const encoded = encodeMatch(facts);
  if (encoded.ok && encoded.body.length <= ports.log.bodyMax) {
    state.setOrdinal(subject, ordinal);
    const { identity } = emission;
    if (identity !== undefined && emission.revision === undefined) identity.ordinal = ordinal;
    if (side === undefined) counts.matches += 1;
    else counts.sideOutputs.set(side, (counts.sideOutputs.get(side) ?? 0) + 1);
    const output = { subject, ordinal, body: encoded.body };
    return side === undefined ? [output, ...forwardsOf(options, state, said, emission, ordinal)] : [output];
  }
  const message = encoded.ok
    ? `The match of rule ${name} has ${encoded.body.length} bytes, more than the ${ports.log.bodyMax} that can be stored; emit less.`
    : encoded.message;
  ports.logger.warn({ rule: name, shard }, message);
  counts.expressionsFailed += 1;
  return [deadLetterOf(options, state, said, 'emit', message)];
}

/** The subject is decided here, once: who sends the match after a takeover sends it to the same. */
function forwardsOf(
  { shard, ports, measures }: OutputOptions,
  state: ShardState,
  { rule: { rule }, key }: Said,
  emission: Emission,
  match: number,
): CommitOutput[] {
  const { to, name, severity } = rule;
  if (to === undefined) return [];
  const { subject, failures } = to.subjectOf({ rule: name, severity, emission, key: key.value });
  for (const failure of failures) {
    measures.rules.get(name)!.expressionsFailed += 1;
    ports.logger.debug({ rule: name, shard, where: 'to.subject' }, failure);
  }
  const output = forwardOutput(name, shard);
  const ordinal = state.lastOrdinal(output) + 1;
  state.setOrdinal(output, ordinal);
  return [{ subject: output, ordinal, body: encodeForward({ match, subject, acknowledged: to.acknowledged }) }];
}

/** A key's change with the numbers of what its rules said first, for the updates that may follow. */
export function withIdentities({ change, said }: TurnResult): Uint8Array {
  let writer: ByteWriter | undefined;
  for (const { emission, rule } of said) {
    if (emission.kind === 'dropped' || emission.revision !== undefined) continue;
    const { identity } = emission;
    if (identity?.cell === undefined || identity.ordinal === undefined) continue;
    if (writer === undefined) {
      writer = new ByteWriter(change.length + 32);
      writer.raw(change);
    }
    const number = new ByteWriter(8);
    number.varint(identity.ordinal);
    writeCell(writer, rule.slot, identity.cell, number.copy());
  }
  return writer === undefined ? change : writer.copy();
}

/** A shard's dead letters are one more output, with ordinals of their own (M5). */
function deadLetterOf(
  { shard, ports }: OutputOptions,
  state: ShardState,
  { rule: { rule }, key, emission }: Said,
  cause: DeadCause,
  message: string,
): CommitOutput {
  const subject = deadOutput(shard);
  const ordinal = state.lastOrdinal(subject) + 1;
  state.setOrdinal(subject, ordinal);
  const first = emission.events[0]?.refs[0];
  const letter = {
    cause,
    message,
    time: emission.time ?? first?.time ?? state.processingTime,
    source: first?.source ?? '',
    stream: '',
    sequence: first?.seq ?? 0,
    index: first?.index,
    subject: '',
    rule: rule.name,
    key: key.value,
    events: emission.events,
    headers: undefined,
    body: undefined,
  };
  return { subject, ordinal, body: encodeDeadLetter(letter, Math.min(DEAD_BYTES_MAX, ports.log.bodyMax)) };
}

const DEAD_BYTES_MAX = 64 * 1024;

/** Counts and logs what a rule met that is no match. */
export function noteIncident(options: OutputOptions, { rule: { rule }, incident }: RuleIncident, key: string): void {
  const { measures, ports, shard } = options;
  const counts = measures.rules.get(rule.name)!;
  switch (incident.kind) {
    case 'late':
      counts.late += 1;
      return;
    case 'heldBack':
      counts.heldBack.set(incident.by, (counts.heldBack.get(incident.by) ?? 0) + 1);
      return;
    case 'expressionFailed':
      counts.expressionsFailed += 1;
      ports.logger.debug({ rule: rule.name, shard, where: incident.where }, incident.message);
      return;
    case 'failed': {
      counts.failures += 1;
      const times = counts.failures;
      if (isPowerOfTwo(times)) ports.logger.error({ rule: rule.name, shard, key, times }, incident.message);
      return;
    }
    case 'killed':
      counts.parked += 1;
      ports.logger.error({ rule: rule.name, shard, key }, incident.message);
      return;
    case 'limitReached': {
      const { limit, answer } = incident;
      const times = (counts.limitsReached.get(limit) ?? 0) + 1;
      counts.limitsReached.set(limit, times);
      if (isPowerOfTwo(times)) {
        ports.logger.warn({ rule: rule.name, shard, key, limit, answer, times }, 'limit reached');
      }
    }
  }
}

/** The metric counts every one; the log says the first, second, fourth, eighth … so that it stays readable. */
function isPowerOfTwo(times: number): boolean {
  return Number.isInteger(Math.log2(times));
}
