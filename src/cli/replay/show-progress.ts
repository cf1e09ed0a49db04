import type { Measures } from '../../ports/measures.ts';
import type { TerminalLog } from '../terminal-log.ts';
import type { InputProgress } from './inputs.ts';

const EVERY_MS = 100;
const BAR_WIDTH = 24;

const count = (value: number): string => Math.round(value).toLocaleString('en');

const sum = (values: Iterable<number>): number => [...values].reduce((total, value) => total + value, 0);

/** Draws progress until the function it gives back is called. */
export function showProgress(
  log: TerminalLog,
  measures: Measures,
  progress: InputProgress,
  bytes: number | undefined,
): () => void {
  const began = performance.now();
  const timer = setInterval(() => {
    const seconds = (performance.now() - began) / 1000;
    const matches = sum([...measures.rules.values()].map((rule) => rule.matches));
    const done = bytes === undefined ? '' : `${bar(Math.min(1, progress.bytes / Math.max(1, bytes)))}  `;
    log.progress(
      `${done}${count(progress.lines)} lines  ${count(progress.lines / seconds)}/s  ${count(matches)} matches`,
    );
  }, EVERY_MS);
  return () => clearInterval(timer);
}

function bar(part: number): string {
  const full = Math.round(part * BAR_WIDTH);
  return `[${'#'.repeat(full)}${'-'.repeat(BAR_WIDTH - full)}] ${String(Math.floor(part * 100)).padStart(3)} %`;
}

/** What a replay did, as lines: figures first, then what each rule found, then what was left out and why. */
export function summary(measures: Measures, seconds: number): readonly string[] {
  const events = sum([...measures.sources.values()].map((source) => source.eventsIn));
  const lines = [`${count(events)} events in ${seconds.toFixed(1)} s (${count(events / seconds)} events/s)`];
  for (const [name, rule] of measures.rules) {
    const sides = [...rule.sideOutputs].map(([side, value]) => `, ${count(value)} to ${side}`).join('');
    lines.push(`  ${name}: ${count(rule.matches)} ${rule.matches === 1 ? 'match' : 'matches'}${sides}`);
    if (rule.late > 0) lines.push(`    ${count(rule.late)} late events`);
    if (rule.expressionsFailed > 0) lines.push(`    ${count(rule.expressionsFailed)} times an expression failed`);
    for (const [by, value] of rule.heldBack) lines.push(`    ${count(value)} held back by ${by}`);
    for (const [limit, value] of rule.limitsReached) lines.push(`    ${count(value)} times the limit ${limit} acted`);
  }
  for (const [name, source] of measures.sources) {
    if (source.eventsExcluded > 0) lines.push(`  ${name}: ${count(source.eventsExcluded)} left out by \`where\``);
    if (source.expressionsFailed > 0) {
      lines.push(`  ${name}: ${count(source.expressionsFailed)} times an expression of the source failed`);
    }
    if (source.eventsWithoutKey > 0) lines.push(`  ${name}: ${count(source.eventsWithoutKey)} events without a key`);
    for (const [cause, value] of source.deadLetters) lines.push(`  ${name}: ${count(value)} dead letters: ${cause}`);
  }
  return lines;
}
