/** When a shard is snapshotted, and into how large pages. */
export interface SnapshotSettings {
  /** Bytes of journal or shard log that a snapshot must make superfluous, at least. Default 1 MiB. */
  readonly afterBytes: number;
  /** Bytes that a page has about: what is packed at one go, between two batches. Default 128 KiB. */
  readonly pageBytes: number;
}

export const DEFAULT_SNAPSHOTS: SnapshotSettings = { afterBytes: 1024 * 1024, pageBytes: 128 * 1024 };

/** What a snapshot begun now would make superfluous, and what it may cost. All in bytes. */
export interface SnapshotGain {
  /** Commits between the start of the last snapshot and the commit that this one would start at. */
  readonly journalBytes: number;
  /** Records of the shard log between the same two. */
  readonly logBytes: number;
  readonly stateBytes: number;
}

/**
 * Whether to begin a snapshot: when it makes more superfluous than it may write. So snapshots at most double what the
 * journal writes, and a takeover reads at most about the state twice, or the state and `afterBytes`.
 */
export function isSnapshotDue(
  { journalBytes, logBytes, stateBytes }: SnapshotGain,
  settings: SnapshotSettings,
): boolean {
  return Math.max(journalBytes, logBytes) >= Math.max(settings.afterBytes, stateBytes);
}

/**
 * Into how many pages the keys are to be divided, as the exponent of a power of two. Only ever more: a state that grew
 * once may again, and small pages cost little.
 * @param bits as they are divided now
 */
export function pageBits(stateBytes: number, bits: number, { pageBytes }: SnapshotSettings): number {
  if (stateBytes / 2 ** bits <= 2 * pageBytes) return bits;
  return Math.min(PAGE_BITS_MAX, Math.ceil(Math.log2(stateBytes / pageBytes)));
}

/** 16,384 pages, listed in about 300 KiB. */
const PAGE_BITS_MAX = 14;
