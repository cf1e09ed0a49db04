import { type Commit, decodeCommit } from '../../src/core/shards/commit.ts';
import { readFrame } from '../../src/journal/frames.ts';
import type { Stored, StoredMessage } from './store.ts';

/** An output as a commit has it, and when the commit was stored. */
interface Committed {
  readonly body: Uint8Array;
  readonly arrival: number;
}

/** Holds the journals against themselves and against what was relayed from them (K7 and K8 of the checker). */
export function checkJournals(stored: Stored): string[] {
  const violations: string[] = [];
  const committed = new Map<string, Committed>();
  let prefix = '';
  for (const [subject, messages] of stored) {
    const [first, kind] = subject.split('.');
    prefix = first!;
    if (kind !== 'journal') continue;
    let number = 0;
    for (const { commit, arrival } of commitsOf(messages)) {
      number += 1;
      if (commit.number !== number) violations.push(`${subject}: commit ${number} calls itself ${commit.number}`);
      for (const { subject: output, ordinal, body } of commit.outputs) {
        const name = `${prefix}.${output} ${ordinal}`;
        if (committed.has(name)) violations.push(`${name} is in two commits`);
        committed.set(name, { body, arrival });
      }
    }
  }
  for (const [subject, messages] of stored) {
    if (!RELAYED.some((kind) => subject.startsWith(`${prefix}.${kind}.`))) continue;
    messages.forEach((message, at) => {
      const source = committed.get(`${subject} ${at + 1}`);
      if (source === undefined) violations.push(`${subject}: message ${at + 1} is in no commit`);
      else if (source.arrival > message.arrival)
        violations.push(`${subject}: message ${at + 1} came before its commit`);
      else if (Buffer.compare(source.body, message.body) !== 0)
        violations.push(`${subject}: message ${at + 1} is not what its commit holds`);
    });
  }
  return violations;
}

const RELAYED = ['match', 'side', 'chain', 'dead.shard'];

/** The commits that count: of one in parts, the last part is there and nothing was begun in between. */
export function* commitsOf(messages: readonly StoredMessage[]): Generator<{ commit: Commit; arrival: number }> {
  let parts: Uint8Array[] = [];
  for (const { body, arrival } of messages) {
    const { part, last, bytes } = readFrame(body);
    if (part === 0) parts = [];
    parts.push(bytes);
    if (last) yield { commit: decodeCommit(Buffer.concat(parts)), arrival };
  }
}
