import { findServer } from '../../nats/server/find-server.ts';
import { type RunningServer, startServer } from '../../nats/server/start-server.ts';
import type { Logger } from '../../ports/logger.ts';

/** Where an embedded server keeps its streams when --data-dir does not say. */
export const DATA_DIR = 'corral-data';
/** NATS's own, so that other commands find the server without being told. */
export const NATS_PORT = 4222;

/**
 * Finds a nats-server, fetching one where none is, and starts it for this process alone.
 * @throws {NatsSetupError} NATS_SERVER_MISSING, NATS_SERVER_FAILED
 */
export async function startEmbedded(
  { dataDir, port }: { readonly dataDir: string; readonly port: number },
  logger: Logger,
): Promise<RunningServer> {
  const path = await findServer();
  const server = await startServer({ path, dataDir, ...(port === 0 ? {} : { port }) });
  logger.info({ url: server.url, path, dataDir }, `nats-server at ${server.url}, keeping its streams in ${dataDir}`);
  return server;
}
