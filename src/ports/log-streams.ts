import { PortError } from './port-error.ts';

/**
 * The streams of a deployment and the subjects that each holds. `<prefix>.<kind>.…` is in exactly one of them, so that
 * every implementation of `FencedLog` gives the same subjects one common order.
 */
export const LOG_STREAMS = [
  { name: 'SHARD', kinds: ['shard', 'lane'] },
  { name: 'JOURNAL', kinds: ['journal', 'page'] },
  { name: 'MATCH', kinds: ['match', 'side', 'chain'] },
  { name: 'DEAD', kinds: ['dead'] },
  { name: 'REPLAY', kinds: ['replay'] },
  { name: 'RULES', kinds: ['rules'] },
] as const;

export type LogStreamName = (typeof LOG_STREAMS)[number]['name'];

/** Those that a deployment of an older Corral does not have. */
export const ADDED_LATER: readonly LogStreamName[] = ['REPLAY', 'RULES'];

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

/** The most that the headers of an append may take, each with its name, its value and 4 bytes. */
export const HEADER_BYTES_MAX = 896;

/** @throws {PortError} TOO_LARGE */
export function assertHeaderSize(subject: string, headers: Readonly<Record<string, string>>): void {
  let size = 0;
  for (const [name, value] of Object.entries(headers)) size += Buffer.byteLength(name) + Buffer.byteLength(value) + 4;
  if (size <= HEADER_BYTES_MAX) return;
  throw new PortError('TOO_LARGE', `${subject}: headers of ${size} bytes exceed the ${HEADER_BYTES_MAX} kept for them`);
}
