/** What supervision does about a failure of a shard or lane. */
export type Directive =
  /** Begin again after a pause: from the journal, or from the records' positions. */
  | { readonly kind: 'restart'; readonly delayMs: number }
  /** Stay down: trying again cannot help, or has not helped often enough. The node says so on /readyz. */
  | { readonly kind: 'stayDown' };

/** What matters of a failure: its code, and whether its cause may pass by itself. */
export interface Failure {
  readonly code: string | undefined;
  readonly retry: 'here' | 'never' | undefined;
}

/** A shard or lane that fails this often within `RESTARTS_WITHIN_MS` for an unknown reason stays down. */
export const RESTARTS_MAX = 5;
export const RESTARTS_WITHIN_MS = 60_000;
const DELAY_MAX_MS = 5_000;

/**
 * The restart policy, a pure decision.
 * @param restarts how often this shard or lane was restarted within the last `RESTARTS_WITHIN_MS`
 */
export function decideRestart({ code, retry }: Failure, restarts: number): Directive {
  switch (code) {
    // Another owner was there. The lease is still ours, so it was a zombie or a predecessor: take the shard again.
    case 'SUPERSEDED':
    // The shard log lost acknowledged records; the lane derives them again from the source.
    case 'LOG_LOST_TAIL':
    // The source's stream has changed; beginning again, the lane sees how, and stays down or goes on as configured.
    case 'SOURCE_DISTURBED':
      return { kind: 'restart', delayMs: delay(restarts) };
    // What lies in a stream does not repair itself.
    case 'JOURNAL_CORRUPT':
    case 'PAGE_CORRUPT':
    case 'PAGE_MISSING':
    case 'SHARD_LOG_CORRUPT':
    case 'SOURCE_RECREATED':
    case 'SOURCE_PURGED':
    case 'SOURCE_LOST_TAIL':
    case 'SHARDS_CHANGED':
    case 'FOREIGN_OUTPUT':
    case 'STREAM_CHANGED':
    case 'RULE_VERSION_MISSING':
      return { kind: 'stayDown' };
    // A source that does not exist yet may be created; until then the node is not ready and says why.
    case 'STREAM_GONE':
      return { kind: 'restart', delayMs: delay(restarts) };
    default:
      if (retry === 'here') return { kind: 'restart', delayMs: delay(restarts) };
      return restarts < RESTARTS_MAX ? { kind: 'restart', delayMs: delay(restarts) } : { kind: 'stayDown' };
  }
}

const delay = (restarts: number): number => Math.min(DELAY_MAX_MS, 100 * 2 ** Math.min(restarts, 10));
