import type { Fault } from './faults.ts';
import { SOURCES } from './rules.ts';
import type { SoakResult } from './soak.ts';

/** What a run has shown, for people. */
export function report(result: SoakResult): string {
  const { verdict, sources, faults, watch, nodes } = result;
  const events = SOURCES.reduce((sum, source) => sum + sources[source].events, 0);
  const lostByServer = SOURCES.reduce((sum, source) => sum + sources[source].lost, 0);
  const repeated = SOURCES.reduce((sum, source) => sum + sources[source].repeated, 0);
  const garbage = SOURCES.reduce((sum, source) => sum + sources[source].unreadable.length, 0);
  const struck = [...faults.counts].filter(([, count]) => count > 0).map(([fault, count]) => `${fault} ${count}`);
  const lines = [
    `nats-server ${result.serverVersion}`,
    `events ${events} (sent again ${result.repeats} messages, twice in the stream ${repeated} events, acknowledged and not there ${lostByServer}), messages that are no events ${garbage}`,
    `faults: ${struck.join(', ') || 'none'}; repairs of the server ${faults.serverRepairs}`,
    `outputs due ${verdict.expected}, stored ${verdict.stored}: lost ${verdict.lost}, doubled ${verdict.doubled}, invented ${verdict.invented}, ` +
      `out of order ${verdict.misordered}, wrong numbers ${verdict.misnumbered}, spread ${verdict.spread}, dead letters wrong ${verdict.deadLettersWrong}`,
    `commits ${watch.commits}, shards changed hands ${watch.handOvers.length} times`,
    result.completeAfterMs === undefined
      ? 'NOT complete'
      : `complete ${(result.completeAfterMs / 1000).toFixed(1)} s after the last event`,
    `most resident memory: ${nodes.map(({ name, residentMost }) => `${name} ${megabytes(residentMost)}`).join(', ')}`,
    silences(result),
    ...takeovers(result),
    ...outageLines(result),
    ...nodes.flatMap(({ deaths }) => deaths.map((death) => `UNEXPECTED END: ${death}`)),
    ...verdict.examples.map((example) => `  ${example}`),
  ];
  return lines.join('\n');
}

/** When nothing came out for long, in seconds since the first output: faults that stop everything do that. */
function silences({ outputs }: SoakResult): string {
  const found: string[] = [];
  const began = outputs[0]?.stamp ?? 0;
  let before = began;
  for (const { stamp } of outputs) {
    if (stamp - before > SILENCE_MS)
      found.push(`${((before - began) / 1000).toFixed(1)} to ${((stamp - began) / 1000).toFixed(1)} s`);
    before = Math.max(before, stamp);
  }
  return `nothing came out for over ${SILENCE_MS / 1000} s: ${found.join(', ') || 'never'}`;
}

const SILENCE_MS = 2000;

/**
 * From each kill to the first commit and first match of the shards that the node had. Where another fault struck before,
 * that one is measured rather than the takeover, so it does not count.
 */
function takeovers({ faults, outputs, watch }: SoakResult): string[] {
  const lines: string[] = [];
  const byShard = new Map<number, number[]>();
  for (const { shard, stamp } of outputs) {
    const stamps = byShard.get(shard);
    if (stamps === undefined) byShard.set(shard, [stamp]);
    else stamps.push(stamp);
  }
  for (const fault of ['killAndTakeOver', 'kill', 'leave'] satisfies Fault[]) {
    const commits: number[] = [];
    const matches: number[] = [];
    const pauses: number[] = [];
    for (const { fault: one, at, shards, node } of faults.struck) {
      if (one !== fault) continue;
      for (const shard of shards) {
        const next = watch.handOvers.find((over) => over.shard === shard && over.from === node && over.firstAfter > at);
        const undisturbed =
          next !== undefined && !faults.struck.some((other) => other.at > at && other.at < next.firstAfter);
        if (undisturbed) {
          commits.push(next.firstAfter - at);
          pauses.push(next.firstAfter - next.lastBefore);
          const stamp = byShard.get(shard)?.find((stored) => stored >= next.firstAfter);
          if (stamp !== undefined) matches.push(stamp - at);
        }
      }
    }
    if (commits.length === 0) continue;
    const pause = `pause of a shard ${spread(pauses)}`;
    lines.push(
      `${fault}: to the first commit by another process ${spread(commits)}, first match ${spread(matches)}; ${pause}`,
    );
  }
  const joined = faults.struck.filter(({ fault }) => fault === 'join');
  const moved = watch.handOvers.filter(({ firstAfter }) =>
    joined.some(({ at, until }) => firstAfter > at && firstAfter < until + 2000),
  );
  if (moved.length > 0) {
    const pauses = moved.map(({ firstAfter, lastBefore }) => firstAfter - lastBefore);
    lines.push(`join and leave of a guest: ${moved.length} shards moved, pause of a shard ${spread(pauses)}`);
  }
  return lines;
}

function outageLines({ outage }: SoakResult): string[] {
  if (outage === undefined) return [];
  const { forMs, memoryBefore, memoryMost, firstCommitMs, lastCommitMs, shards } = outage;
  return [
    `outage of ${(forMs / 1000).toFixed(0)} s: memory before ${memoryBefore.map(megabytes).join(', ')}, most during it ${memoryMost.map(megabytes).join(', ')}`,
    `after the return: first commit ${firstCommitMs.toFixed(0)} ms, all ${shards} shards ${lastCommitMs.toFixed(0)} ms`,
  ];
}

function spread(values: readonly number[]): string {
  if (values.length === 0) return 'none';
  const sorted = [...values].sort((a, b) => a - b);
  const at = (share: number) =>
    `${Math.round(sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))]!)}`;
  return `p50 ${at(0.5)} p99 ${at(0.99)} max ${at(1)} ms (${sorted.length})`;
}

const megabytes = (bytes: number): string => `${Math.round(bytes / 1024 / 1024)} MB`;
