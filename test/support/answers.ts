import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import { packageRoot } from '../../src/cli/package-root.ts';
import { type MatchOutput, replay } from './replay.ts';

/** A row of an answer, what a rule emitted, or a part of either. */
export type Row = Readonly<Record<string, unknown>>;

/** What a rule emitted, or `rule.side` on a side output, in the order of its matches. */
export type Found = (name: string) => readonly Row[];

export interface Answer {
  /** The question in plain words. */
  readonly ask: string;
  /** The events it is asked about. */
  readonly file: string;
  readonly count: number;
  /** Rows, or figures by name where the question asks for no rows. */
  readonly answer: Row & { readonly rows?: readonly Row[] };
}

const at = (...path: string[]): string => join(packageRoot, ...path);

/** Where the rules are that answer questions. */
export const RULES = at('examples/answers');

const FIELDS = ['--time', 'event.ts', '--type', 'event.type', '--id', 'event.seq'];

/** Reads the answer to a question. @throws when its events are not those that the answer was computed from. */
export async function readAnswer(question: string): Promise<Answer> {
  const { ask, input, count, answer } = JSON.parse(
    await readFile(at('test/data/answers', `${question}.json`), 'utf8'),
  ) as Omit<Answer, 'file'> & { readonly input: { readonly file: string; readonly sha256: string } };
  const file = at('test/data', input.file);
  const bytes = await readFile(file);
  const events = input.file.endsWith('.gz') ? gunzipSync(bytes) : bytes;
  const found = createHash('sha256').update(events).digest('hex');
  if (found !== input.sha256) throw new Error(`${input.file} is not the file that was asked about`);
  return { ask, file, count, answer };
}

/** Replays a file of events through rule files of examples/answers; side outputs are among the outputs. */
export const replayAnswers = (
  file: string,
  ruleFiles: readonly string[],
  ...flags: readonly string[]
): Promise<MatchOutput[]> =>
  replay(...ruleFiles.map((name) => join(RULES, name)), '--events', file, ...FIELDS, '--side', ...flags);

/** What each rule emitted, and each `rule.side` on that side output; nothing for a rule without a match. */
export function emittedBy(outputs: readonly MatchOutput[]): Found {
  const byName = new Map<string, Row[]>();
  for (const { type, data } of outputs) {
    for (const name of new Set([data.rule, type.replace(/^corral\.(match|side)\./, '')])) {
      const rows = byName.get(name);
      if (rows === undefined) byName.set(name, [data.emit]);
      else rows.push(data.emit);
    }
  }
  return (name) => byName.get(name) ?? [];
}
