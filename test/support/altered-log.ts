import type { FencedLog, LogMessage, LogReader } from '../../src/ports/log.ts';

/** A log that shows some messages otherwise than they are stored, or not at all, as a damaged disk would. */
export function alteredLog(
  inner: FencedLog,
  alter: (message: LogMessage) => LogMessage | undefined | Promise<LogMessage | undefined>,
): FencedLog {
  return {
    bodyMax: inner.bodyMax,
    append: (...args) => inner.append(...args),
    trim: (...args) => inner.trim(...args),
    facts: (subject) => inner.facts(subject),
    last: (subject) => inner.last(subject),
    async get(subject, sequence) {
      const message = await inner.get(subject, sequence);
      return message && (await alter(message));
    },
    read(subject, from): LogReader {
      const reader = inner.read(subject, from);
      return {
        async next() {
          const shown: LogMessage[] = [];
          while (shown.length === 0) {
            const messages = await reader.next();
            if (messages === undefined) return undefined;
            for (const message of messages) {
              const altered = await alter(message);
              if (altered !== undefined) shown.push(altered);
            }
          }
          return shown;
        },
        close: () => reader.close(),
      };
    },
  };
}
