import { scopeName } from '../core/behaviours/keyspace-program.ts';
import type { SourceSettings } from '../core/events/source-settings.ts';
import type { RuleSet } from '../core/rules/rule-set.ts';
import { RULE_SOURCE, type RunningRule, type RunningRules } from '../core/rules/running-rules.ts';
import type { CommitOutput } from '../core/shards/commit.ts';
import type { ShardState } from '../core/shards/shard-state.ts';
import { standingNumber, standingOfAll } from '../core/shards/standing.ts';
import { chainOutput, matchOutput } from '../core/shards/subjects.ts';
import { decodeTick, encodeTick } from '../core/shards/tick.ts';
import { BEGINNING, duration, type InstantMs, instant } from '../core/time/units.ts';
import type { EventSource, FencedLog, LogMessage } from '../ports/log.ts';
import type { BatchClocks } from './batch-clocks.ts';
import { type Intended, ordinary } from './replays.ts';

/**
 * Rules whose matches other rules read (`from: {rule: other}`).
 *
 *   N1. Such a rule's matches go to a subject of their own as well, `corral.chain.<rule>.<shard>`, by the same relay and
 *       with numbers of their own. A lane reads them as it reads any source.
 *   N2. Between them the shard says how far the rule's clock has come (see tick), at most once a second of processing
 *       time: the lane's watermark is the least of what all shards have said. So a chain is never late, however far
 *       shards are apart, and a function of the log like everything else.
 *   N3. The end of input goes on through the chain: the last tick of every shard says that its sources have ended.
 */
export class Chains {
  private readonly shard: number;
  private readonly state: ShardState;
  private readonly links: readonly Link[];

  /** @param numberOf the shard's number of a name, defining it when it is new */
  constructor(shard: number, state: ShardState, running: RunningRules, numberOf: (name: string) => number) {
    this.shard = shard;
    this.state = state;
    const read = running.rules.filter(({ name }) => running.chained.has(name));
    this.links = read.map((rule) => ({
      rule,
      scope: numberOf(scopeName(rule.sources)),
      told: numberOf(`tick ${rule.name}`),
      toldAt: numberOf(`tick time ${rule.name}`),
      standing: numberOf(`tick standing ${rule.name}`),
    }));
  }

  /** What a batch adds to the outputs of its commit, behind them. */
  outputs(outputs: readonly CommitOutput[], clocks: BatchClocks): CommitOutput[] {
    const more: CommitOutput[] = [];
    for (const link of this.links) {
      const own = matchOutput(link.rule.name, this.shard);
      for (const { subject, body } of outputs) if (subject === own) more.push(this.output(link, body));
      const tick = this.tickOf(link, clocks.last(link.scope));
      if (tick !== undefined) more.push(this.output(link, tick));
    }
    return more;
  }

  private output({ rule }: Link, body: Uint8Array): CommitOutput {
    const subject = chainOutput(rule.name, this.shard);
    const ordinal = this.state.lastOrdinal(subject) + 1;
    this.state.setOrdinal(subject, ordinal);
    return { subject, ordinal, body };
  }

  /** Kept with the shard's clocks, so that who goes on from a commit says the same again. */
  private tickOf({ rule, told, toldAt, standing: stood }: Link, watermark: InstantMs): Uint8Array | undefined {
    const { clocks, lanes, processingTime } = this.state;
    const standing = standingOfAll(rule.sources.map((source) => lanes.get(source)?.standing ?? 'leads'));
    const number = instant(standingNumber(standing));
    const moved =
      watermark > (clocks.get(told) ?? BEGINNING) && !(processingTime - (clocks.get(toldAt) ?? BEGINNING) < TICK_MS);
    if (!moved && clocks.get(stood) === number) return undefined;
    clocks.set(told, watermark);
    clocks.set(toldAt, processingTime);
    clocks.set(stood, number);
    return encodeTick({ watermark, standing });
  }
}

interface Link {
  readonly rule: Pick<RunningRule, 'name' | 'sources'>;
  readonly scope: number;
  readonly told: number;
  readonly toldAt: number;
  readonly standing: number;
}

const TICK_MS = 1000;

/** The rules that others read. */
export const chainedRules = (rules: RuleSet): RuleSet['rules'] =>
  rules.rules.filter(({ name }) => rules.rules.some(({ sources }) => sources.includes(`${RULE_SOURCE}${name}`)));

/** The source that a rule's matches are for other rules. */
export const chainSettings = (rule: string, stream: string, shards: number): SourceSettings => ({
  name: `${RULE_SOURCE}${rule}`,
  stream,
  subject: undefined,
  format: 'cloudevents',
  start: { kind: 'beginning' },
  disorder: duration(0),
  idleAfter: duration(Number.POSITIVE_INFINITY),
  publisher: undefined,
  toldBy: shards,
  extraction: { each: undefined, derived: [], where: undefined, id: undefined, type: undefined, time: undefined },
  eventBytesMax: Number.MAX_SAFE_INTEGER,
});

export const chainSource = (log: FencedLog, subjects: string): EventSource => ({
  facts: () => log.facts(subjects),
  // It is read from the beginning, so nobody asks.
  sequenceAt: async () => (await log.facts(subjects)).firstSequence,
  read: (from) => log.read(subjects, from),
});

/** What a message of a chain is to be taken for. */
export function chained(message: LogMessage): Intended {
  const tick = decodeTick(message.body);
  if (tick === undefined) return ordinary(message);
  return { kind: 'tick', shard: Number(message.subject.slice(message.subject.lastIndexOf('.') + 1)), tick };
}
