import { formatInstant } from '../../core/time/format-instant.ts';
import type { Paint } from '../paint.ts';
import { type Column, formatTable, printable } from '../table.ts';
import { type Holder, NOT_KNOWN, problemsOf, ranges, type Status } from './status.ts';

/** The status as a person reads it, in lines of at most 100 characters. @param everyShard a line for each shard */
export function statusText(status: Status, paint: Paint, everyShard: boolean): readonly string[] {
  const problems = problemsOf(status);
  const verdict = problems.length === 0 ? paint.green('healthy') : paint.red('NOT HEALTHY');
  const lines = [`${paint.bold(status.prefix)} on nats-server ${status.server}: ${verdict}`];
  for (const problem of problems)
    lines.push(...wrapped(problem).map((line, at) => (at === 0 ? `! ${line}` : `  ${line}`)));
  const section = (title: string, columns: readonly Column[], rows: readonly (readonly string[])[]): void => {
    if (rows.length === 0) return;
    const [titles, ...rest] = formatTable(columns, rows);
    lines.push('', paint.bold(title), paint.dim(titles!), ...rest);
  };
  section('nodes', NODES, nodeRows(status));
  if (status.activeRules !== undefined) lines.push('', `active version of the rules: ${status.activeRules}`);
  lines.push('', ...shardLines(status));
  if (everyShard)
    section(
      'every shard',
      SHARDS,
      status.shards.map(({ shard, owner, lag }) => [`${shard}`, holder(owner), count(lag)]),
    );
  section('lanes', LANES, laneRows(status));
  section('rules', RULES, ruleRows(status));
  const { deadLetters, streams, disk } = status;
  const causes = [...deadLetters.byCause].map(([cause, many]) => `${cause} ${many}`).join(', ');
  lines.push(
    '',
    `dead letters of the last 24 h: ${causes || 'none'}${causes && `; ${deadLetters.undecided} undecided`}`,
  );
  section(
    'streams',
    STREAMS,
    streams.map(({ name, replicas, replicasMissing, storage, messages, bytes }) => [
      name,
      `${replicas}${replicasMissing.length > 0 ? ` (${replicasMissing.length} missing)` : ''}`,
      storage,
      count(messages),
      size(bytes),
    ]),
  );
  if (disk !== undefined) {
    const limit = disk.limit === undefined ? 'no limit of its own' : `of ${size(disk.limit)}`;
    lines.push('', `the account's files: ${size(disk.bytes)}, ${limit}`);
  }
  lines.push('', paint.dim('not known from NATS:'));
  for (const sentence of NOT_KNOWN)
    lines.push(...wrapped(sentence).map((line, at) => (at === 0 ? `- ${line}` : `  ${line}`)));
  return lines;
}

const NODES: readonly Column[] = [
  { title: 'node', flexible: true },
  { title: 'renewed', right: true },
  { title: 'rules', right: true },
  { title: 'shards', right: true },
  { title: 'lanes', flexible: true },
];
const SHARDS: readonly Column[] = [
  { title: 'shard', right: true },
  { title: 'owner', flexible: true },
  { title: 'lag', right: true },
];
const LANES: readonly Column[] = [
  { title: 'lane' },
  { title: 'stream' },
  { title: 'owner', flexible: true },
  { title: 'position', right: true },
  { title: 'pending', right: true },
  { title: 'watermark' },
  { title: 'age', right: true },
];
const RULES: readonly Column[] = [
  { title: 'rule', flexible: true },
  { title: 'matches', right: true },
  { title: 'side outputs', flexible: true },
  { title: 'dead letters, 24 h', flexible: true },
];
const STREAMS: readonly Column[] = [
  { title: 'stream' },
  { title: 'replicas', right: true },
  { title: 'storage' },
  { title: 'messages', right: true },
  { title: 'bytes', right: true },
];

function nodeRows({ nodes, shards, lanes }: Status): readonly (readonly string[])[] {
  return nodes.map(({ node, seenMs, alive, rules }) => [
    node,
    alive ? `${elapsed(seenMs)} ago` : `expired, ${elapsed(seenMs)} ago`,
    rules === undefined ? '' : `${rules.number === 0 ? 'none' : rules.number}${rules.waits ? ', waits' : ''}`,
    `${shards.filter(({ owner }) => owner?.node === node).length}`,
    lanes
      .filter(({ owner }) => owner?.node === node)
      .map(({ lane }) => lane)
      .join(', '),
  ]);
}

const LAGGING_SHOWN = 5;

function shardLines({ shards }: Status): readonly string[] {
  if (shards.length === 0) return ['shards: none yet'];
  const known = shards.flatMap(({ shard, lag }) => (lag === undefined ? [] : [{ shard, lag }]));
  const behind = known.filter(({ lag }) => lag > 0).sort((a, b) => b.lag - a.lag);
  const total = known.reduce((sum, { lag }) => sum + lag, 0);
  const worst = behind.slice(0, LAGGING_SHOWN).map(({ shard, lag }) => `${shard}: ${count(lag)}`);
  const unknown = shards.filter(({ lag }) => lag === undefined).map(({ shard }) => shard);
  const lines = [
    `shards: ${shards.length}; ${count(total)} records not yet committed${worst.length > 0 ? `, most in ${worst.join(', ')}` : ''}`,
  ];
  if (unknown.length > 0) lines.push(`not known how far: ${ranges(unknown)}`);
  return lines;
}

function laneRows({ lanes }: Status): readonly (readonly string[])[] {
  return lanes.map(({ lane, stream, owner, position, countsOn, pending, watermark, watermarkAgeMs }) => [
    lane,
    stream ?? '?',
    holder(owner),
    countsOn === 0 ? `${position}` : `${position} (+${countsOn})`,
    count(pending),
    watermark === undefined ? 'none yet' : formatInstant(watermark).slice(0, 19).replace('T', ' '),
    watermarkAgeMs === undefined ? '' : elapsed(watermarkAgeMs),
  ]);
}

function ruleRows({ rules }: Status): readonly (readonly string[])[] {
  const each = (counts: ReadonlyMap<string, number>): string =>
    [...counts].map(([name, many]) => `${name} ${count(many)}`).join(', ');
  return rules.map(({ rule, matches, sides, deadLetters }) => [rule, count(matches), each(sides), each(deadLetters)]);
}

/** The status as plain JSON, with the verdict. */
export function statusJson(status: Status): object {
  const problems = problemsOf(status);
  return {
    healthy: problems.length === 0,
    problems,
    ...status,
    at: status.at && formatInstant(status.at),
    lanes: status.lanes.map((lane) => ({ ...lane, watermark: lane.watermark && formatInstant(lane.watermark) })),
    rules: status.rules.map(({ rule, matches, sides, deadLetters }) => ({
      rule,
      matches,
      sides: Object.fromEntries(sides),
      deadLetters: Object.fromEntries(deadLetters),
    })),
    deadLetters: { undecided: status.deadLetters.undecided, byCause: Object.fromEntries(status.deadLetters.byCause) },
    notKnown: NOT_KNOWN,
  };
}

const holder = (owner: Holder | undefined): string =>
  owner === undefined ? 'nobody' : owner.alive ? owner.node : `${owner.node} (expired)`;

const count = (many: number | undefined): string => (many === undefined ? '?' : many.toLocaleString('en'));

const UNITS = ['B', 'KiB', 'MiB', 'GiB', 'TiB'] as const;

function size(bytes: number): string {
  let rest = bytes;
  let unit = 0;
  for (; rest >= 1024 && unit < UNITS.length - 1; unit += 1) rest /= 1024;
  return `${unit === 0 ? rest : rest.toFixed(1)} ${UNITS[unit]}`;
}

/** The largest fitting unit: `850 ms`, `12 s`, `3 min`, `5 h`, `9 d`. */
export function elapsed(ms: number): string {
  const sign = ms < 0 ? '-' : '';
  const length = Math.abs(ms);
  if (length < 1000) return `${sign}${Math.round(length)} ms`;
  if (length < 120_000) return `${sign}${Math.round(length / 1000)} s`;
  if (length < 7_200_000) return `${sign}${Math.round(length / 60_000)} min`;
  if (length < 172_800_000) return `${sign}${Math.round(length / 3_600_000)} h`;
  return `${sign}${Math.round(length / 86_400_000)} d`;
}

const WIDTH = 98;
/** A word that is longer is cut. */
const PIECE = new RegExp(`.{1,${WIDTH}}`, 'gu');

function wrapped(sentence: string): readonly string[] {
  const lines: string[] = [''];
  const words = printable(sentence)
    .split(' ')
    .flatMap((word) => word.match(PIECE) ?? []);
  for (const word of words) {
    const last = lines.at(-1)!;
    if (last !== '' && last.length + 1 + word.length > WIDTH) lines.push(word);
    else lines[lines.length - 1] = last === '' ? word : `${last} ${word}`;
  }
  return lines;
}
