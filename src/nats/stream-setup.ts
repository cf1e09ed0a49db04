import { LOG_STREAMS, type LogStreamName } from '../ports/log-streams.ts';
import { persistApi } from './js-api.ts';
import type { NatsLink } from './link.ts';
import { NatsSetupError } from './setup-error.ts';

export interface LogOptions {
  /** First token of all subjects; in upper case, also of the streams' names. */
  readonly prefix: string;
  /** Copies of each stream, 1 to 5. More than 1 needs nats-server 2.9.21 or later. Default 1. */
  readonly replicas?: number;
  /** Default `file`. `memory` loses everything with the server, and is for tests. */
  readonly storage?: 'file' | 'memory';
}

/** What we read of a stream's configuration. Servers add fields; unknown ones are left alone. */
export interface StreamConfig {
  readonly name: string;
  readonly subjects?: readonly string[];
  readonly retention: string;
  readonly discard?: string;
  readonly storage?: string;
  readonly num_replicas?: number;
  readonly max_age?: number;
  readonly max_msgs?: number;
  readonly max_msgs_per_subject?: number;
  readonly max_msg_size?: number;
  readonly deny_purge?: boolean;
  readonly sealed?: boolean;
  readonly no_ack?: boolean;
  readonly mirror?: object;
  readonly sources?: readonly object[];
  readonly subject_transform?: object;
  readonly persist_mode?: string;
}

export interface StreamInfo {
  readonly config: StreamConfig;
  readonly created: string;
  readonly state: { readonly first_seq: number; readonly last_seq: number; readonly messages: number };
}

/** Error code of JetStream: a stream of this name exists with another configuration. */
const NAME_IN_USE = 10058;

/**
 * What a stream with fenced subjects must be: the server compares an append with the last message it *still has*, so
 * nothing but our own trim may ever remove one (protocol P2).
 */
function wantedConfig(name: LogStreamName, options: LogOptions): StreamConfig {
  const { prefix, replicas = 1, storage = 'file' } = options;
  const kinds = LOG_STREAMS.find((stream) => stream.name === name)?.kinds ?? [];
  return {
    name: logStreamName(prefix, name),
    subjects: kinds.map((kind) => `${prefix}.${kind}.>`),
    retention: 'limits',
    discard: 'new',
    storage,
    num_replicas: replicas,
    max_age: 0,
    max_msgs: -1,
    max_msgs_per_subject: -1,
    deny_purge: false,
    sealed: false,
    no_ack: false,
  };
}

/** Name of a deployment's stream on the server. */
export function logStreamName(prefix: string, name: LogStreamName): string {
  return `${prefix.toUpperCase()}_${name}`;
}

/**
 * Creates the stream, or takes the one that is there if it is kept as it must be.
 * @throws {NatsSetupError} STREAM_MISCONFIGURED naming every difference, STREAM_REFUSED when the server will not have it.
 */
export async function ensureStream(link: NatsLink, name: LogStreamName, options: LogOptions): Promise<StreamInfo> {
  const wanted = wantedConfig(name, options);
  const found = await persistApi<StreamInfo>(link, `STREAM.INFO.${wanted.name}`);
  if (found.kind === 'ok') return verified(found.value, wanted);
  const created = await persistApi<StreamInfo>(link, `STREAM.CREATE.${wanted.name}`, wanted);
  if (created.kind === 'ok') return verified(created.value, wanted);
  if (created.code === NAME_IN_USE) {
    const other = await persistApi<StreamInfo>(link, `STREAM.INFO.${wanted.name}`);
    if (other.kind === 'ok') return verified(other.value, wanted);
  }
  throw new NatsSetupError(
    'STREAM_REFUSED',
    `NATS does not create the stream ${wanted.name} (${wanted.subjects?.join(', ')}): ${created.description} ` +
      `(${created.code}). Give Corral's account JetStream and these subjects, or another prefix.`,
  );
}

function verified(info: StreamInfo, wanted: StreamConfig): StreamInfo {
  const differences = differencesOf(info.config, wanted);
  if (differences.length === 0) return info;
  throw new NatsSetupError(
    'STREAM_MISCONFIGURED',
    `the stream ${wanted.name} is not kept as Corral's guarantees need it: ${differences.join('; ')}. ` +
      `Change it with 'nats stream edit ${wanted.name}', or set another prefix; if the fields cannot be changed and ` +
      `nothing in it is needed, remove it, and Corral creates it again.`,
  );
}

/** Every difference that matters, each as `field is X, must be Y`. */
export function differencesOf(found: StreamConfig, wanted: StreamConfig): string[] {
  const differences: string[] = [];
  const compare = (field: keyof StreamConfig, is: unknown, must: unknown): void => {
    if (is !== must) differences.push(`${field} is ${String(is)}, must be ${String(must)}`);
  };
  const sorted = (subjects: readonly string[] | undefined): string => [...(subjects ?? [])].sort().join(' ');
  const unlimited = (limit: number | undefined): number => (limit === undefined || limit <= 0 ? -1 : limit);
  compare('subjects', sorted(found.subjects), sorted(wanted.subjects));
  compare('retention', found.retention, wanted.retention);
  compare('discard', found.discard ?? 'old', wanted.discard);
  compare('storage', found.storage, wanted.storage);
  compare('num_replicas', found.num_replicas ?? 1, wanted.num_replicas);
  compare('max_age', found.max_age ?? 0, 0);
  compare('max_msgs', unlimited(found.max_msgs), -1);
  compare('max_msgs_per_subject', unlimited(found.max_msgs_per_subject), -1);
  compare('deny_purge', found.deny_purge ?? false, false);
  compare('sealed', found.sealed ?? false, false);
  compare('no_ack', found.no_ack ?? false, false);
  compare('mirror', found.mirror === undefined ? 'none' : 'set', 'none');
  compare('sources', (found.sources ?? []).length === 0 ? 'none' : 'set', 'none');
  compare('subject_transform', found.subject_transform === undefined ? 'none' : 'set', 'none');
  compare('persist_mode', found.persist_mode || 'default', 'default');
  return differences;
}
