import { readFileSync } from 'node:fs';
import { isGiven } from '../config/overlay.ts';
import type { Place, Problem } from '../core/rules/problem.ts';
import type { Paint } from './paint.ts';

/** A longer line is cut around the column, so that the caret stays in sight. */
const WIDTH_MAX = 110;
/** Most uses of a definition that are named. */
const USES_SHOWN = 5;

/**
 * Problems as a person reads them: the place as editors and terminals link it, what is wrong, the line with a caret,
 * and the way out.
 */
export function formatProblems(
  problems: readonly Problem[],
  paint: Paint,
  kind: 'problem' | 'warning' = 'problem',
): string {
  const linesOf = reader();
  const blocks = problems.map(({ code, at, message, fix, usedAt }) => {
    const what = kind === 'problem' ? paint.red(code) : paint.yellow(`warning ${code}`);
    const shown = excerpt(linesOf(at.file), at, paint);
    const used = usedAt === undefined ? '' : `  ${paint.dim('used at:')} ${usesIn(usedAt)}\n`;
    return `${paint.bold(written(at))}: ${what}: ${message}\n${shown}${used}  ${paint.green('fix:')} ${fix}\n`;
  });
  return blocks.join('\n');
}

/** As editors and terminals link it; a flag or variable by its name. */
const written = (at: Place): string =>
  isGiven(at) ? at.file.replace(/^\$/, '') : `${at.file}:${at.line}:${at.column}`;

function usesIn(places: readonly Place[]): string {
  const shown = places.slice(0, USES_SHOWN).map(written).join(', ');
  return places.length > USES_SHOWN ? `${shown} and ${places.length - USES_SHOWN} more` : shown;
}

/** "6 problems" */
export const counted = (count: number, word: string): string => `${count} ${word}${count === 1 ? '' : 's'}`;

function excerpt(lines: readonly string[], { line, column }: Place, paint: Paint): string {
  const text = lines[line - 1];
  if (text === undefined || text.trim() === '') return '';
  const from = Math.max(0, column - WIDTH_MAX + 20);
  const part = text.slice(from, from + WIDTH_MAX).replaceAll('\t', ' ');
  const number = String(line).padStart(5);
  const caret = `${' '.repeat(Math.max(0, column - 1 - from))}^`;
  return `${paint.dim(`${number} |`)} ${part}\n${paint.dim('      |')} ${paint.red(caret)}\n`;
}

/** Reads each file once. One that cannot be read has no lines to show; that it cannot be read is a problem of its own. */
function reader(): (file: string) => readonly string[] {
  const known = new Map<string, readonly string[]>();
  return (file) => {
    let lines = known.get(file);
    if (lines === undefined) {
      try {
        lines = readFileSync(file, 'utf8').split(/\r?\n/);
      } catch {
        lines = [];
      }
      known.set(file, lines);
    }
    return lines;
  };
}
