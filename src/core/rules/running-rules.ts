import { isReferenceLane, replayedSource } from '../shards/subjects.ts';
import { type RuleVersion, ruleId, type VersionedRule } from './rule-version.ts';

/** A rule that runs in a shard. */
export interface RunningRule extends VersionedRule {
  /** Whether its events wait until time has passed them; false when they come in order of time anyway. */
  readonly sorted: boolean;
}

/** The rules that run in a shard, from one record of its log to another. */
export interface RunningRules {
  /** By name. Each name once. */
  readonly rules: readonly RunningRule[];
  /** Names of those whose matches other rules read. */
  readonly chained: ReadonlySet<string>;
  /** The same for the same rules. */
  readonly text: string;
}

/** No lane has been heard of. */
export const NO_RULES: RunningRules = { rules: [], chained: new Set(), text: '' };

/**
 * Which rules run in a shard: a function of the versions that its lanes keyed by, so of the log alone (protocol.md, T4).
 *
 *   R1. A rule runs while the versions of all lanes heard of, among those of the sources it reads, contain it, and at
 *       least one was heard of. So an edited rule's old form stops when the first of its lanes switches, and its new form
 *       starts when the last one does.
 *   R2. A source that the newest version heard of does not read any more may have no lane that could switch. So such a
 *       lane counts as having switched to that version.
 *   R3. Of two forms of one rule the older one runs first, also when they read different sources.
 *   R4. Lanes of references decide nothing, and the lane of a source's replays only while nothing was heard of the
 *       source's own lane: no rule's clock goes by them either.
 *   R5. A rule's matches go to other rules as soon as any version heard of has a rule that reads them: that rule starts
 *       only when its lane is heard of, and that lane has nothing to say before.
 *
 * @param lanes version by name of the lane, for lanes that were heard of
 * @param versionOf every version that a lane has
 */
export function runningRules(
  lanes: ReadonlyMap<string, number>,
  versionOf: (number: number) => RuleVersion,
): RunningRules {
  const bySource = new Map<string, number>();
  for (const [lane, number] of lanes) {
    const source = replayedSource(lane) ?? lane;
    if (!isReferenceLane(lane) && (source === lane || !lanes.has(source))) bySource.set(source, number);
  }
  if (bySource.size === 0) return NO_RULES;
  const versions = [...new Set(bySource.values())].sort((a, b) => a - b).map(versionOf);
  const newest = versions.at(-1)!;
  const read = new Set([...newest.rules.values()].flatMap(({ sources }) => sources));
  const heard = (source: string): RuleVersion | undefined => {
    const number = bySource.get(source);
    if (number === undefined) return undefined;
    return read.has(source) ? versionOf(number) : newest;
  };
  const running = new Map<string, RunningRule>();
  for (const { rules } of versions) {
    for (const [id, rule] of rules) {
      if (running.has(rule.name)) continue;
      const by = rule.sources.flatMap((source) => heard(source) ?? []);
      if (by.length === 0 || by.some((version) => !version.rules.has(id))) continue;
      const sorted = rule.sources.length > 1 || !by[0]!.inOrder.has(rule.sources[0]!);
      running.set(rule.name, { ...rule, sorted });
    }
  }
  const rules = [...running.values()].sort((a, b) => (a.name < b.name ? -1 : 1));
  const chained = new Set<string>();
  for (const version of versions) {
    for (const { sources } of version.rules.values()) {
      for (const source of sources) {
        const name = source.startsWith(RULE_SOURCE) ? source.slice(RULE_SOURCE.length) : undefined;
        if (name !== undefined && running.has(name)) chained.add(name);
      }
    }
  }
  const text = rules
    .map((rule) => `${ruleId(rule)}${rule.sorted ? ' sorted' : ''}${chained.has(rule.name) ? ' read' : ''}`)
    .join('\n');
  return { rules, chained, text };
}

/** What the name of a source begins with that is a rule's matches. */
export const RULE_SOURCE = 'rule:';
