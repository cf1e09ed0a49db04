import type { CompiledCondition } from './compile-condition.ts';
import type { CompiledEmit } from './compile-emit.ts';

/** Paths of field names; [] for the whole data, undefined for nothing. */
export type KeptPaths = readonly (readonly string[])[] | undefined;

/** What of an event's data must be kept, because something reads it later: all paths that a condition or `emit` reads. */
export function keptPaths(
  step: number,
  conditions: readonly Pick<CompiledCondition, 'reads' | 'readsAll'>[],
  emit: Pick<CompiledEmit, 'reads' | 'readsAll'> | undefined,
): KeptPaths {
  if (emit?.readsAll === true || conditions.some(({ readsAll }) => readsAll)) return [];
  const reads = [...conditions.map((condition) => condition.reads), ...(emit?.reads ?? []).map(({ steps }) => steps)];
  const paths = reads.flatMap((read) => read.get(step) ?? []);
  return paths.length === 0 ? undefined : withoutCovered(paths);
}

/** Leaves out paths that another one, nearer to the root, covers; [] when one is the root itself. */
function withoutCovered(paths: readonly (readonly string[])[]): readonly (readonly string[])[] {
  if (paths.some((path) => path.length === 0)) return [];
  const byText = new Map(paths.map((path) => [JSON.stringify(path), path]));
  const covers = (short: readonly string[], long: readonly string[]): boolean =>
    short.length < long.length && short.every((name, index) => name === long[index]);
  return [...byText.entries()]
    .filter(([, path]) => !paths.some((other) => covers(other, path)))
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([, path]) => path);
}
