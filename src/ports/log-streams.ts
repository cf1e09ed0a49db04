/**
 * The streams of a deployment and the subjects that each holds. `<prefix>.<kind>.…` is in exactly one of them, so that
 * every implementation of `FencedLog` gives the same subjects one common order.
 */
export const LOG_STREAMS = [
  { name: 'SHARD', kinds: ['shard', 'lane'] },
  { name: 'JOURNAL', kinds: ['journal', 'page'] },
  { name: 'MATCH', kinds: ['match', 'side'] },
  { name: 'DEAD', kinds: ['dead'] },
] as const;

export type LogStreamName = (typeof LOG_STREAMS)[number]['name'];

const streamOfKind = new Map<string, LogStreamName>(
  LOG_STREAMS.flatMap(({ name, kinds }) => kinds.map((kind): [string, LogStreamName] => [kind, name])),
);

/**
 * Which stream holds a subject, or every subject of a filter.
 * @throws {TypeError} when it is none of the deployment's subjects, which is a mistake of the caller.
 */
export function logStreamOf(prefix: string, subject: string): LogStreamName {
  const start = prefix.length + 1;
  const end = subject.indexOf('.', start);
  const kind = subject.slice(start, end < 0 ? undefined : end);
  const stream = subject.startsWith(`${prefix}.`) ? streamOfKind.get(kind) : undefined;
  if (stream === undefined) throw new TypeError(`'${subject}' is no subject of the deployment '${prefix}'`);
  return stream;
}
