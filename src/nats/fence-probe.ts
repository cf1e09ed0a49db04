import { headers } from 'nats';
import { persistApi } from './js-api.ts';
import type { NatsLink } from './link.ts';
import { parsePubAck } from './pub-ack.ts';
import { NatsSetupError } from './setup-error.ts';

/**
 * Before 2.9.21, a replicated stream compares an expected sequence above 0 only ahead of its proposal, and stores
 * concurrent appends both. Everything that Corral promises rests on the fence, so it is tried before it is trusted:
 * the version that the server gives may be that of another member of the cluster than the stream's leader.
 */
const ROUNDS = 50;
const RACERS = 4;
const FENCE_REPLICATED: readonly [number, number, number] = [2, 9, 21];
const body = new TextEncoder().encode('probe of the fence');

/** The header of every fenced append. */
export const EXPECTED = 'Nats-Expected-Last-Subject-Sequence';

/** @throws {NatsSetupError} SERVER_TOO_OLD when streams are to be replicated and the server cannot fence those. */
export function assertFenceVersion(version: string, replicas: number): void {
  if (replicas <= 1 || !isBefore(version, FENCE_REPLICATED)) return;
  throw new NatsSetupError(
    'SERVER_TOO_OLD',
    `nats-server ${version} stores two concurrent appends where one may be when a stream has ${replicas} replicas, ` +
      `so matches would double: use nats-server ${FENCE_REPLICATED.join('.')} or later, or replicas: 1.`,
  );
}

/**
 * Races appends with one expected sequence; leaves one message on the subject.
 * @throws {NatsSetupError} FENCE_BROKEN when two of a race are accepted.
 */
export async function probeFence(link: NatsLink, stream: string, subject: string): Promise<void> {
  let end = await lastSequence(link, stream, subject);
  for (let round = 0; round < ROUNDS; round++) {
    const racers = end === 0 ? 1 : RACERS; // an expected 0 is always fenced, so it says nothing
    const accepted = (await Promise.all(Array.from({ length: racers }, () => append(link, subject, end)))).filter(
      (sequence) => sequence > 0,
    );
    if (accepted.length > 1) {
      throw new NatsSetupError(
        'FENCE_BROKEN',
        `the stream ${stream} stored ${accepted.length} concurrent appends where one may be (server ` +
          `${link.serverVersion}); matches would double. Update every nats-server of the cluster to ` +
          `${FENCE_REPLICATED.join('.')} or later, or use replicas: 1.`,
      );
    }
    // None is accepted when another node probes at the same time, or an answer is lost.
    end = accepted[0] ?? (await lastSequence(link, stream, subject));
  }
  await persistApi(link, `STREAM.PURGE.${stream}`, { filter: subject, seq: end });
}

async function append(link: NatsLink, subject: string, expected: number): Promise<number> {
  const fence = headers();
  fence.set(EXPECTED, String(expected));
  const { data } = await link.request(subject, body, fence);
  const ack = data === undefined ? undefined : parsePubAck(data);
  return ack?.kind === 'stored' ? ack.sequence : 0;
}

async function lastSequence(link: NatsLink, stream: string, subject: string): Promise<number> {
  const answer = await persistApi<{ message: { seq: number } }>(link, `STREAM.MSG.GET.${stream}`, {
    last_by_subj: subject,
  });
  return answer.kind === 'ok' ? answer.value.message.seq : 0;
}

/** Whether a version such as `2.10.27-RC.1` is before another. An unreadable one is not: the probe decides. */
export function isBefore(version: string, than: readonly [number, number, number]): boolean {
  const parts = /^v?(\d+)\.(\d+)\.(\d+)/.exec(version)?.slice(1).map(Number);
  if (parts === undefined) return false;
  for (const [index, other] of than.entries()) {
    const part = parts[index] ?? 0;
    if (part !== other) return part < other;
  }
  return false;
}
