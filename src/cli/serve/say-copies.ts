import type { NatsLink } from '../../nats/link.ts';
import { streamInfo } from '../../nats/nats-log.ts';
import { logStreamName } from '../../nats/stream-setup.ts';
import { LOG_STREAMS } from '../../ports/log-streams.ts';
import type { Logger } from '../../ports/logger.ts';
import { PortError } from '../../ports/port-error.ts';

/**
 * Says how many copies the server keeps of each stream that this deployment rests on, sources included: a stream with
 * one copy is as safe as its server's disk. What a server's `sync_interval` is, NATS tells nobody, and that is said too.
 */
export async function sayCopies(
  link: NatsLink,
  prefix: string,
  sources: readonly { readonly stream: string }[],
  logger: Logger,
): Promise<void> {
  const own = LOG_STREAMS.map(({ name }) => logStreamName(prefix, name));
  const names = [...new Set([...own, ...sources.map(({ stream }) => stream)])];
  const replicas: Record<string, number | string> = {};
  for (const name of names) replicas[name] = await replicasOf(link, name);
  const single = names.filter((name) => replicas[name] === 1).length;
  logger.info(
    { replicas },
    `${single} of ${names.length} streams have one copy only; how often the server syncs what it has acknowledged to ` +
      'disk (sync_interval) cannot be asked for: see its configuration',
  );
}

async function replicasOf(link: NatsLink, stream: string): Promise<number | string> {
  try {
    const { config } = await streamInfo(link, stream);
    return config.num_replicas ?? 1;
  } catch (error) {
    if (error instanceof PortError) return error.code; // a source that is not there yet; /readyz says so
    throw error;
  }
}
