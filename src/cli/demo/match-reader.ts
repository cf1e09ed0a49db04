import type { NatsLink } from '../../nats/link.ts';
import { natsSource } from '../../nats/nats-source.ts';
import { logStreamName } from '../../nats/stream-setup.ts';
import type { Match } from './print-match.ts';

export interface MatchReader {
  /** Matches seen so far. */
  readonly count: number;
  close(): Promise<void>;
}

/** Reads a deployment's matches from its match stream, as any consumer of them would. */
export async function readMatches(link: NatsLink, prefix: string, each: (match: Match) => void): Promise<MatchReader> {
  const source = natsSource(link, { stream: logStreamName(prefix, 'MATCH'), subject: `${prefix}.match.>` });
  await source.facts();
  const reader = source.read(1);
  let count = 0;
  const done = (async () => {
    for (let messages = await reader.next(); messages !== undefined; messages = await reader.next()) {
      for (const { body } of messages) {
        count += 1;
        each(JSON.parse(Buffer.from(body).toString()) as Match);
      }
    }
  })();
  return {
    get count() {
      return count;
    },
    async close() {
      await reader.close();
      await done;
    },
  };
}
