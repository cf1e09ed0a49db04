import type { CompiledTo } from './compile-to.ts';
import { listed } from './did-you-mean.ts';
import type { Problems } from './document.ts';
import type { RuleSource } from './rule-source.ts';

/** What is known of the subjects around the rules. */
export interface KnownSubjects {
  /** First token of the deployment's own subjects. */
  readonly prefix: string;
  /** Subject filters of sources, where they have one. */
  readonly filters: ReadonlyMap<string, string>;
}

/** A rule that names a subject with `to`. */
export interface Forwarding {
  readonly source: RuleSource;
  readonly to: CompiledTo;
}

/**
 * Checks where matches go: not to Corral's own subjects, which have one writer each, and not back into a source that the
 * rule reads, be it through other rules, as far as a subject is certainly that source's. What only the streams know (a
 * source without `subject`) is not known here.
 */
export function checkTo(
  forwarding: readonly Forwarding[],
  all: readonly RuleSource[],
  { prefix, filters }: KnownSubjects,
  problems: Problems,
): void {
  const byName = new Map(all.map((source) => [source.name, source]));
  for (const { source, to } of forwarding) {
    const place = source.to!.subject.place;
    if (to.form.split('.')[0] === prefix) {
      const message = `subjects that begin with \`${prefix}.\` are Corral's own`;
      problems.add('RULE_TO_SUBJECT', place, message, 'name another subject');
      continue;
    }
    const loops = sourcesOf(source, byName, new Set()).filter((name) => isWithin(to.form, filters.get(name)));
    if (loops.length === 0) continue;
    const message = `the rule would read its own matches: what it sends to \`${to.form}\` comes back by ${listed(loops)}`;
    problems.add('RULE_TO_LOOP', place, message, 'send them to a subject that no source of the rule reads');
  }
}

/** The sources that a rule reads, itself or through others. */
function sourcesOf(rule: RuleSource, byName: ReadonlyMap<string, RuleSource>, seen: Set<string>): string[] {
  if (seen.has(rule.name)) return [];
  seen.add(rule.name);
  const names = rule.from.flatMap(({ kind, name }) => {
    if (kind === 'source') return [name];
    const other = byName.get(name);
    return other === undefined ? [] : sourcesOf(other, byName, seen);
  });
  return [...new Set(names)];
}

/** Whether every subject of a form fits a filter. */
function isWithin(form: string, filter: string | undefined): boolean {
  if (filter === undefined) return false;
  const tokens = form.split('.');
  const wanted = filter.split('.');
  const open = wanted.at(-1) === '>';
  const fixed = open ? wanted.slice(0, -1) : wanted;
  if (open ? tokens.length <= fixed.length : tokens.length !== fixed.length) return false;
  return fixed.every((token, index) => token === '*' || token === tokens[index]);
}
