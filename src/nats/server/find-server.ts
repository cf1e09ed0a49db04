import { delimiter, join } from 'node:path';
import { NatsSetupError } from '../setup-error.ts';
import { cachedServer, fetchServer, isExecutable, ownSuite } from './fetch-server.ts';

type Environment = Readonly<Record<string, string | undefined>>;

/**
 * Finds a nats-server to start: what `NATS_SERVER` names, else one on PATH, else one fetched before, else fetches the
 * package of the machine's distribution into the cache folder.
 * @returns its path
 * @throws {NatsSetupError} NATS_SERVER_MISSING, saying how to get one
 */
export async function findServer(environment: Environment = process.env): Promise<string> {
  const named = environment.NATS_SERVER;
  if (named !== undefined && named !== '') {
    if (await isExecutable(named)) return named;
    throw new NatsSetupError(
      'NATS_SERVER_MISSING',
      `NATS_SERVER names ${named}, which cannot be executed: correct it, or unset it to let one be found.`,
    );
  }
  // Debian puts it where only root's PATH looks.
  const folders = [...(environment.PATH ?? '').split(delimiter), '/usr/sbin', '/usr/local/bin'];
  for (const folder of folders.filter((one) => one !== '')) {
    const file = join(folder, 'nats-server');
    if (await isExecutable(file)) return file;
  }
  const suite = await ownSuite();
  if (suite !== undefined && (await isExecutable(cachedServer(suite, environment))))
    return cachedServer(suite, environment);
  return fetchServer();
}
