/** What every command ends with, for scripts. */
export const EXIT = {
  ok: 0,
  /** Something failed while running: NATS, the disk, a dead letter where none may be. */
  failed: 1,
  /** The command line, the configuration or a rule cannot be used; nothing was begun. */
  unusable: 2,
} as const;

export type Exit = (typeof EXIT)[keyof typeof EXIT];

/** Lines for the end of `--help`. */
export const EXIT_HELP = `Exit codes: 0 done; 1 it failed while running; 2 the command line, configuration or rules cannot be used.`;
