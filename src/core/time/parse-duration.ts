import type { DurationMs } from './units.ts';

const UNITS: Readonly<Record<string, number>> = {
  ms: 1,
  s: 1_000,
  m: 60_000,
  h: 3_600_000,
  d: 86_400_000,
  w: 604_800_000,
};

/** What a duration may look like, for messages. */
export const DURATION_FORM = 'a duration such as 500ms, 30s, 10m, 1h30m or 2d';

/**
 * The length that a text such as `500ms`, `30s`, `10m`, `1h30m`, `2d` or `1w` names; a day is 24 hours, always.
 * Each unit may stand once, largest first; a number may have decimals (`1.5h`). Undefined when it names none (a bare
 * number has no unit and names none).
 */
export function parseDuration(text: string): DurationMs | undefined {
  const part = /(\d+(?:\.\d+)?)(ms|s|m|h|d|w)/y;
  let total = 0;
  let smallest = Number.POSITIVE_INFINITY;
  while (part.lastIndex < text.length) {
    const found = part.exec(text);
    if (found === null) return undefined;
    const unit = UNITS[found[2]!]!;
    if (unit >= smallest) return undefined;
    smallest = unit;
    total += Number(found[1]) * unit;
  }
  return text.length > 0 && Number.isFinite(total) ? (total as DurationMs) : undefined;
}

/** The shortest text that `parseDuration` reads back as the same length; for messages. */
export function formatDuration(length: number): string {
  if (!Number.isInteger(length)) return `${length}ms`;
  let rest = length;
  let text = '';
  for (const unit of ['d', 'h', 'm', 's', 'ms']) {
    const size = UNITS[unit]!;
    const count = Math.floor(rest / size);
    if (count > 0) text += `${count}${unit}`;
    rest -= count * size;
  }
  return text === '' ? '0ms' : text;
}
