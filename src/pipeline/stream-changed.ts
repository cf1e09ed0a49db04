/** What may have become of a source's stream since it was last read. */
export type StreamChange =
  /** It was removed and made anew. */
  | { readonly kind: 'recreated'; readonly before: string; readonly now: string }
  /** It has dropped messages that were not read. */
  | { readonly kind: 'purged'; readonly from: number; readonly first: number }
  /** It ends before what was read, or holds other messages from there on: the server has lost what it acknowledged. */
  | { readonly kind: 'lostTail'; readonly read: number; readonly ends: number };

export type StreamChangeKind = StreamChange['kind'];

const CODES = {
  recreated: 'SOURCE_RECREATED',
  purged: 'SOURCE_PURGED',
  lostTail: 'SOURCE_LOST_TAIL',
} as const satisfies Record<StreamChangeKind, string>;

/** A source's stream is not what its lane has read, and the source says that this stops it. */
export class StreamChanged extends Error {
  readonly code: (typeof CODES)[StreamChangeKind];
  readonly source: string;

  constructor(source: string, stream: string, change: StreamChange) {
    const code = CODES[change.kind];
    super(
      `source ${source}: ${whatHappened(stream, change)} See docs/errors.md#${code.toLowerCase()}; to go on with what the ` +
        'stream holds now, set onStreamChanged: continue for the source.',
    );
    this.code = code;
    this.source = source;
  }
}

/** The reader of a source's stream found it changed: the lane begins again, and sees what became of it. */
export class SourceDisturbed extends Error {
  readonly code = 'SOURCE_DISTURBED';
}

/**
 * For errors of the reader of a source.
 * @throws {SourceDisturbed} for what beginning again has to look into; the error itself otherwise
 */
export function disturbed(error: unknown): never {
  const { code } = error as { code?: string };
  if (code !== 'STREAM_CHANGED' && code !== 'POSITION_GONE') throw error;
  throw new SourceDisturbed((error as Error).message, { cause: error });
}

/** A sentence for people. */
export function whatHappened(stream: string, change: StreamChange): string {
  switch (change.kind) {
    case 'recreated':
      return (
        `stream ${stream} was created at ${change.now}, but Corral has read one created at ${change.before}. Its ` +
        'sequence numbers mean other events, so reading on as if nothing had happened would lose or double some.'
      );
    case 'purged':
      return (
        `stream ${stream} begins at ${change.first}, but its messages from ${change.from} on were still to be read: a ` +
        'purge or its retention has removed them.'
      );
    case 'lostTail':
      return (
        `stream ${stream} was read up to ${change.read}, but of that it holds only what ends at ${change.ends}: the server ` +
        'has lost its last messages (a power cut before they were synced, or a restored backup), and what comes now takes their numbers.'
      );
  }
}
