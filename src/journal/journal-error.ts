/** What a journal found wrong. SUPERSEDED is no fault: another owner has opened the shard's journal. */
export class JournalError extends Error {
  readonly code: 'SUPERSEDED' | 'STOPPED' | 'JOURNAL_CORRUPT' | 'PAGE_MISSING' | 'PAGE_CORRUPT' | 'STREAM_CHANGED';
  readonly shard: number;

  constructor(code: JournalError['code'], shard: number, message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = 'JournalError';
    this.code = code;
    this.shard = shard;
  }
}
