import { closeSync, existsSync, openSync, readSync, statSync } from 'node:fs';
import type { Problem } from '../../core/rules/problem.ts';
import { type InstantMs, instant } from '../../core/time/units.ts';
import { iterableSource } from '../../memory/iterable-source.ts';
import type { NewMessage } from '../../memory/memory-source.ts';
import type { EventSource } from '../../ports/log.ts';
import { readLines } from '../publish/read-lines.ts';

/** Files of one source, in the order they are read. */
export interface SourceInput {
  readonly source: string;
  readonly files: readonly string[];
}

/**
 * Lines have no stored time as messages of a stream have. Without a time of their own all events are at this one
 * instant, so that a replay gives the same whenever it is run.
 */
const STAMP: InstantMs = instant(0);

/**
 * Says which file is which source's: `name=file`, or a bare file for the only source there is.
 * @param given what --events says, in order
 * @param needed names of the sources that the rules read
 */
export function assignInputs(
  given: readonly string[],
  needed: readonly string[],
): { readonly inputs: readonly SourceInput[]; readonly problems: readonly Problem[] } {
  const at = { file: '--events', line: 1, column: 1 };
  const problems: Problem[] = [];
  const files = new Map<string, string[]>(needed.map((name) => [name, []]));
  for (const text of given) {
    const split = text.indexOf('=');
    const named = split > 0 && files.has(text.slice(0, split)) ? text.slice(0, split) : undefined;
    const file = named === undefined ? text : text.slice(split + 1);
    if (file !== '-' && !existsSync(file)) {
      const fix = 'name a file of NDJSON, plain or gzip, or - for standard input';
      problems.push({ code: 'REPLAY_EVENTS', at, message: `there is no file ${file}`, fix });
    } else if (named !== undefined) {
      files.get(named)?.push(file);
    } else if (needed.length === 1) {
      files.get(needed[0]!)?.push(file);
    } else {
      const message = `the rules read several sources (${needed.join(', ')}), and ${file} is not said to be one's`;
      problems.push({ code: 'REPLAY_EVENTS', at, message, fix: `write --events ${needed[0]}=${file}` });
    }
  }
  if (problems.length === 0) {
    for (const [name, named] of files) {
      if (named.length > 0) continue;
      const message = `the rules read the source ${name}, for which there are no events`;
      problems.push({ code: 'REPLAY_EVENTS', at, message, fix: `add --events ${name}=FILE` });
    }
  }
  return { inputs: [...files].map(([source, paths]) => ({ source, files: paths })), problems };
}

/** How far reading is. */
export interface InputProgress {
  lines: number;
  bytes: number;
}

/**
 * Lines of files as the messages of a source; blank lines are passed over. Sequences count from 1.
 * @param failed called with what the file system says, since to the lane it is only an input that ends early
 * @param most lines that are handed over at a time; default as they come
 */
export function inputSource(
  { source, files }: SourceInput,
  progress: InputProgress,
  failed: (error: unknown) => void,
  most = Number.POSITIVE_INFINITY,
): EventSource {
  async function* chunks(): AsyncGenerator<readonly NewMessage[]> {
    try {
      for (const file of files) {
        for await (const lines of readLines(file)) {
          const messages: NewMessage[] = [];
          for (const body of lines) {
            progress.bytes += body.length + 1;
            if (!isBlank(body)) messages.push({ subject: source, body, stamp: STAMP });
          }
          progress.lines += messages.length;
          if (messages.length <= most) yield messages;
          else for (let at = 0; at < messages.length; at += most) yield messages.slice(at, at + most);
        }
      }
    } catch (error) {
      failed(error);
      throw error;
    }
  }
  return iterableSource(chunks(), () => STAMP);
}

/** Also a line of nothing but the carriage return of a Windows file. */
const isBlank = (line: Buffer): boolean => line.length === 0 || (line.length < 8 && line.toString().trim() === '');

/** Bytes that will be read, for the bar; undefined when that is not known: standard input, gzip. */
export function totalBytes(inputs: readonly SourceInput[]): number | undefined {
  let total = 0;
  for (const file of inputs.flatMap(({ files }) => files)) {
    const facts = file === '-' ? undefined : statSync(file);
    if (facts === undefined || !facts.isFile() || isGzip(file)) return undefined;
    total += facts.size;
  }
  return total;
}

function isGzip(file: string): boolean {
  const head = Buffer.alloc(2);
  const descriptor = openSync(file, 'r');
  try {
    readSync(descriptor, head, 0, 2, 0);
  } finally {
    closeSync(descriptor);
  }
  return head[0] === 0x1f && head[1] === 0x8b;
}
