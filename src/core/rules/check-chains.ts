import { suggestion } from './did-you-mean.ts';
import type { Problems } from './document.ts';
import type { InputSource, RuleSource } from './rule-source.ts';

/** Checks what rules read of other rules: that these exist, and that none reads its own matches, be it through others. */
export function checkChains(sources: readonly RuleSource[], problems: Problems): void {
  const byName = new Map(sources.map((source) => [source.name, source]));
  for (const source of sources) {
    for (const { name, place } of rulesRead(source)) {
      if (byName.has(name)) continue;
      const others = [...byName.keys()].filter((other) => other !== source.name);
      const otherwise = others.length === 0 ? 'name the file that has it' : `name one of: ${others.join(', ')}`;
      problems.add('RULE_UNKNOWN', place, `there is no rule \`${name}\``, suggestion(name, others, otherwise));
    }
  }
  const told = new Set<string>();
  for (const source of sources) checkCycle(source, byName, told, problems);
}

const rulesRead = (source: RuleSource): readonly InputSource[] => source.from.filter(({ kind }) => kind === 'rule');

/** Follows a rule to those it reads; the one that closes a circle is reported, once for the circle. */
function checkCycle(
  start: RuleSource,
  byName: ReadonlyMap<string, RuleSource>,
  told: Set<string>,
  problems: Problems,
): void {
  const seen = new Set<string>();
  const visit = (rule: RuleSource, path: readonly string[]): boolean => {
    for (const { name, place } of rulesRead(rule)) {
      if (name === start.name) {
        if (!path.some((one) => told.has(one))) {
          const circle = [...path, start.name].map((one) => `\`${one}\``).join(', which reads ');
          const message = `a rule cannot read its own matches: ${circle}`;
          problems.add('RULE_CYCLE', place, message, 'take one of these out of `from`');
        }
        for (const one of path) told.add(one);
        return true;
      }
      const next = byName.get(name);
      if (next === undefined || seen.has(name)) continue;
      seen.add(name);
      if (visit(next, [...path, name])) return true;
    }
    return false;
  };
  visit(start, [start.name]);
}
