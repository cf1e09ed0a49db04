import { decodeDeadRecord } from '../../src/core/shards/dead-record.ts';
import type { NatsLink } from '../../src/nats/link.ts';
import { natsSource } from '../../src/nats/nats-source.ts';
import { outputGroup, outputText, refText } from './model.ts';

/** A match or side output as it lies in the match stream. */
export interface StoredOutput {
  readonly shard: number;
  /** When the server stored it, in milliseconds since the epoch. */
  readonly stamp: number;
  readonly subject: string;
  /** What names it: the id in its envelope, and the ordinal in its header. */
  readonly id: string;
  readonly ordinal: string;
  /** As the model has it. */
  readonly group: string;
  readonly text: string;
}

/** Everything that the deployment has said, in the order in which it was stored. */
export async function readOutputs(link: NatsLink): Promise<readonly StoredOutput[]> {
  const outputs: StoredOutput[] = [];
  await readStream(link, 'CORRAL_MATCH', ({ subject, stamp, headers, body }) => {
    const [, kind, ...names] = subject.split('.');
    if (kind !== 'match' && kind !== 'side') return;
    const shard = Number(names.pop());
    const { id, time, data } = JSON.parse(Buffer.from(body).toString());
    const refs = (data.events as { refs: Parameters<typeof refText>[0][] }[]).flatMap(({ refs: of }) =>
      of.map(refText),
    );
    // The sides of a join stand in the order of their arrival, which says nothing.
    if (data.rule === 'settled') refs.sort();
    outputs.push({
      shard,
      stamp,
      subject,
      id,
      ordinal: headers?.['corral-ordinal'] ?? '',
      group: outputGroup(names.join('.'), data.key),
      text: outputText(data.kind, Date.parse(time), refs, data.emit),
    });
  });
  return outputs;
}

/** The dead letters, each as `<source> <sequence> <cause>`. */
export async function readDeadLetters(link: NatsLink): Promise<readonly string[]> {
  const letters: string[] = [];
  await readStream(link, 'CORRAL_DEAD', ({ subject, body }) => {
    const bodies = subject.split('.')[2] === 'lane' ? decodeDeadRecord(body).letters : [body];
    for (const letter of bodies) {
      const { source, sequence, cause } = JSON.parse(Buffer.from(letter).toString());
      letters.push(`${source} ${sequence} ${cause}`);
    }
  });
  return letters;
}

async function readStream(
  link: NatsLink,
  stream: string,
  take: (message: {
    subject: string;
    stamp: number;
    headers: Readonly<Record<string, string>> | undefined;
    body: Uint8Array;
  }) => void,
): Promise<void> {
  const source = natsSource(link, { stream, subject: undefined });
  const { lastSequence } = await source.facts();
  const reader = source.read(1);
  for (let reached = 0; reached < lastSequence; ) {
    for (const message of (await reader.next()) ?? []) {
      reached = message.sequence;
      take(message);
    }
  }
  await reader.close();
}
