import type { Paint } from '../paint.ts';

/** What the demo reads of a match. */
export interface Match {
  readonly time: string;
  readonly data: {
    readonly rule: string;
    readonly key: unknown;
    readonly severity?: string;
    readonly first?: string;
    readonly last?: string;
    readonly events: readonly { readonly step: string; readonly count: number }[];
    readonly emit?: { readonly title?: string } & Readonly<Record<string, unknown>>;
  };
}

/** "7 min 17 s" */
export function inWords(ms: number): string {
  const seconds = Math.round(ms / 1000);
  const parts = [
    [Math.floor(seconds / 86_400), 'd'],
    [Math.floor(seconds / 3_600) % 24, 'h'],
    [Math.floor(seconds / 60) % 60, 'min'],
    [seconds % 60, 's'],
  ] as const;
  const shown = parts.filter(([value]) => value > 0).slice(0, 2);
  return shown.length === 0 ? 'no time' : shown.map(([value, unit]) => `${value} ${unit}`).join(' ');
}

/**
 * A match as a person wants to read it: one line of what happened, and one of how long it took, when, and of how many
 * events. Severe ones stand out.
 */
export function matchText({ time, data }: Match, paint: Paint): string {
  const severe = data.severity === 'high';
  const title = data.emit?.title ?? `${data.rule} for ${JSON.stringify(data.key)}`;
  const name = `${data.rule}${data.severity === undefined ? '' : `, ${data.severity}`}`;
  const count = data.events.reduce((total, step) => total + step.count, 0);
  const from = Date.parse(data.first ?? time);
  const upto = Date.parse(data.last ?? time);
  const when = `${day(from)} ${clock(from)} to ${day(from) === day(upto) ? '' : `${day(upto)} `}${clock(upto)}`;
  const mark = severe ? paint.red(paint.bold('●')) : paint.yellow('●');
  const detail = `${name}: ${count} events within ${inWords(upto - from)}, ${when} UTC`;
  return `${mark} ${severe ? paint.bold(title) : title}\n  ${paint.dim(detail)}`;
}

export const day = (ms: number): string => new Date(ms).toISOString().slice(0, 10);
const clock = (ms: number): string => new Date(ms).toISOString().slice(11, 19);
