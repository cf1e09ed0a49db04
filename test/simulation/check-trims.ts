import { decodeManifest, type Manifest } from '../../src/core/shards/manifest.ts';
import { commitsOf } from './check-journals.ts';
import type { Stored, Trim } from './store.ts';

/** A manifest as a journal has it, and when it was stored. */
interface Told {
  readonly manifest: Manifest;
  readonly arrival: number;
}

/**
 * Holds what was removed against what made it superfluous (K10 of the checker): of a journal, a shard log or a page only
 * what a manifest stored before does not need any more, and that manifest starts at a commit of which everything was
 * relayed when the manifest was stored.
 */
export function checkTrims(stored: Stored, trims: readonly Trim[]): string[] {
  const violations: string[] = [];
  const told = new Map<string, readonly Told[]>();
  for (const [subject, messages] of stored) {
    const [prefix, kind, shard] = subject.split('.');
    if (kind !== 'journal') continue;
    const manifests: Told[] = [];
    const outputs: { readonly name: string; readonly ordinal: number; readonly commit: number }[] = [];
    for (const { commit, arrival } of commitsOf(messages)) {
      if (commit.manifest !== undefined) {
        const manifest = decodeManifest(commit.manifest);
        manifests.push({ manifest, arrival });
        for (const { name, ordinal, commit } of outputs) {
          if (commit > manifest.start.number) break;
          const relayed = stored.get(name)?.[ordinal - 1];
          if (relayed === undefined || relayed.arrival > arrival)
            violations.push(
              `${subject}: a snapshot starts after commit ${commit}, of which ${name} ${ordinal} was not relayed`,
            );
        }
      }
      for (const { subject: output, ordinal } of commit.outputs)
        outputs.push({ name: `${prefix}.${output}`, ordinal, commit: commit.number });
    }
    told.set(shard!, manifests);
  }
  for (const { subject, sequence, arrival } of trims) {
    const [, kind, shard, page] = subject.split('.');
    // Of what a lane keeps for itself only the last message counts.
    if (kind === 'lane') continue;
    const before = (told.get(shard!) ?? []).filter((one) => one.arrival < arrival);
    const allowed = before.map(({ manifest: { start, pages } }) => {
      if (kind === 'journal') return start.sequence;
      if (kind === 'shard') return start.cursor;
      return kind === 'page' ? (pages[Number(page)]?.sequences[0] ?? 0) : 0;
    });
    if (Math.max(0, ...allowed) < sequence)
      violations.push(`${subject}: what is before ${sequence} was removed, though no snapshot had made it superfluous`);
  }
  return violations;
}
