import { compileRules } from '../../src/core/rules/compile-rules.ts';
import { Problems } from '../../src/core/rules/document.ts';
import type { RuleSet } from '../../src/core/rules/rule-set.ts';
import { readYaml } from '../../src/core/rules/yaml-document.ts';
import type { PlainRule } from './plain-rule.ts';

/** The rules of the simulation as a user would write them, over the sources `auth` and `pay`. */
const YAML = `
rule: break-in
from: auth
key: event.ip
pattern:
  - begin: guess
    type: Fail
    times: {min: 2}
    greedy: true
  - followedBy: login
    type: Ok
    where: event.n > last(guess).n
within: 2s
afterMatch: skipPastLastEvent
emit: {guesses: "\${size(guess)}", n: "\${login.n}"}
---
rule: at-once
from: auth
key: event.ip
pattern:
  - begin: fail
    type: Fail
  - next: ok
    type: Ok
afterMatch: skipPastLastEvent
emit: {n: "\${ok.n}"}
---
rule: three-fails
from: auth
key: event.user
pattern:
  - begin: fail
    type: Fail
    times: 3
within: 3s
afterMatch: skipPastLastEvent
emit: {last: "\${last(fail).n}"}
---
rule: bought
from: pay
key: event.card
pattern:
  - begin: added
    type: Add
  - followedBy: tried
    type: Try
    where: event.n >= added.n
  - followedBy: bought
    type: Buy
within: 6s
afterMatch: noSkip
emit: {from: "\${added.n}", to: "\${bought.n}"}
---
rule: left
from: pay
key: [event.card, event.shop]
pattern:
  - begin: added
    type: Add
  - followedBy: bought
    type: Buy
within: 2s
afterMatch: skipPastLastEvent
onTimeout: emit
emit: {n: "\${added.n}"}
`;

const list = (...parts: readonly unknown[]): unknown => (parts.some((part) => part == null) ? undefined : parts);

/** The same rules once more, as plainly as can be said, for the checker. */
export const PLAIN_RULES: readonly PlainRule[] = [
  {
    name: 'break-in',
    source: 'auth',
    keyOf: ({ ip }) => ip ?? undefined,
    steps: [
      { name: 'guess', type: 'Fail', min: 2, max: Number.POSITIVE_INFINITY },
      { name: 'login', type: 'Ok', min: 1, max: 1, where: (value, [guesses]) => value.n > guesses!.at(-1)!.n },
    ],
    withinMs: 2000,
    skipsPastLast: true,
    saysTimeouts: false,
    emit: ([guesses, logins]) => ({ guesses: guesses!.length, n: logins![0]!.n }),
  },
  {
    name: 'at-once',
    source: 'auth',
    keyOf: ({ ip }) => ip ?? undefined,
    steps: [
      { name: 'fail', type: 'Fail', min: 1, max: 1 },
      { name: 'ok', type: 'Ok', min: 1, max: 1, strict: true },
    ],
    withinMs: Number.POSITIVE_INFINITY,
    skipsPastLast: true,
    saysTimeouts: false,
    emit: ([, oks]) => ({ n: oks![0]!.n }),
  },
  {
    name: 'three-fails',
    source: 'auth',
    keyOf: ({ user }) => user ?? undefined,
    steps: [{ name: 'fail', type: 'Fail', min: 3, max: 3 }],
    withinMs: 3000,
    skipsPastLast: true,
    saysTimeouts: false,
    emit: ([fails]) => ({ last: fails![2]!.n }),
  },
  {
    name: 'bought',
    source: 'pay',
    keyOf: ({ card }) => card ?? undefined,
    steps: [
      { name: 'added', type: 'Add', min: 1, max: 1 },
      { name: 'tried', type: 'Try', min: 1, max: 1, where: (value, [added]) => value.n >= added![0]!.n },
      { name: 'bought', type: 'Buy', min: 1, max: 1 },
    ],
    withinMs: 6000,
    skipsPastLast: false,
    saysTimeouts: false,
    emit: ([added, , bought]) => ({ from: added![0]!.n, to: bought![0]!.n }),
  },
  {
    name: 'left',
    source: 'pay',
    keyOf: ({ card, shop }) => list(card, shop),
    steps: [
      { name: 'added', type: 'Add', min: 1, max: 1 },
      { name: 'bought', type: 'Buy', min: 1, max: 1 },
    ],
    withinMs: 2000,
    skipsPastLast: true,
    saysTimeouts: true,
    emit: ([added]) => ({ n: added![0]!.n }),
  },
];

export const SOURCES = ['auth', 'pay'] as const;

export const RULE_COUNT = PLAIN_RULES.length;

const compiled = new Map<number, RuleSet>();

/**
 * The compiled rules; what runs of them is pure, so all runs share them.
 * @param first which of the rules stands first: their order means nothing
 */
export function simulatedRules(first = 0): RuleSet {
  const known = compiled.get(first);
  if (known !== undefined) return known;
  const problems = new Problems();
  const documents = readYaml('simulation.yaml', YAML, problems);
  const turned = [...documents.slice(first), ...documents.slice(0, first)];
  const result = compileRules(turned, { sources: SOURCES }, problems);
  if (!result.ok) throw new Error(`the simulation's rules do not compile: ${JSON.stringify(result.problems, null, 2)}`);
  compiled.set(first, result.ruleSet);
  return result.ruleSet;
}
