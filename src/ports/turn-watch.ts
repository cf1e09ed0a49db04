/**
 * Watches that no synchronous piece of work lasts for ever: while it does, nothing else of the process runs, and no
 * timer of its own could notice. Told on hot paths, so both calls must cost next to nothing.
 */
export interface TurnWatch {
  /** A piece of work begins. @param where says which, in a few words; asked only when it lasts too long */
  begin(where: () => string): void;
  end(): void;
}

/** Where nothing is watched: runs over files, the simulation. */
export const NO_WATCH: TurnWatch = { begin: () => undefined, end: () => undefined };

/** Does a piece of work under a watch. */
export function during(watch: TurnWatch, where: () => string, work: () => void): void {
  watch.begin(where);
  try {
    work();
  } finally {
    watch.end();
  }
}
