/**
 * What rule modules import as `corral/rules`. A rule is written with `events`, which says what events there are and
 * gives the words of patterns; steps, and the data of their events, are typed from there on.
 *
 *     import { events } from 'corral/rules';
 *
 *     interface Attempt { ip: string; user: string }
 *
 *     const { begin, rule } = events<{ FailedPassword: Attempt; AcceptedPassword: Attempt }>();
 *
 *     export default rule({
 *       rule: 'break-in',
 *       from: 'auth',
 *       key: (event) => event.ip,
 *       pattern: begin('guess').type('FailedPassword').timesOrMore(5).greedy()
 *         .followedBy('login').type('AcceptedPassword'),
 *       within: '10m',
 *       afterMatch: 'skipPastLastEvent',
 *       emit: ({ guess, login }, key) => ({ title: `${guess.length} guesses from ${key}, then ${login.user}` }),
 *     });
 *
 * `patternRule` takes the same rule as plain data, for rules that a program makes. `joinRule` types a join, `processRule` a
 * rule that is code: its functions get state, timers and outputs, typed by what the rule declares of them.
 */

export {
  aggregating,
  type Context as ProcessContext,
  type EventContext as ProcessEventContext,
  eventTimer,
  list,
  map,
  output,
  type ProcessRule,
  processingTimer,
  processRule,
  reducing,
  reference,
  type Source,
  source,
  value,
} from './core/process/process-rule.ts';
export { type BuiltRule, type Emit, events, type Writing } from './core/rules/builder/events.ts';
export { type Bound, type JoinRule, type JoinWindow, joinRule, type Told } from './core/rules/builder/join-rule.ts';
export type { Ban, Context, Follow, Found, Group, Pattern, Start, Step } from './core/rules/builder/pattern.ts';
export {
  type AfterMatchOf,
  type Alias,
  type CommonFields,
  type Definition,
  type Duration,
  type EmitOf,
  type EventMeta,
  type KeyFields,
  type KeyOf,
  type KeyPart,
  type Member,
  type OfRule,
  type PatternRule,
  patternRule,
  type Reads,
  type RuleFields,
  type Stage,
  type StepOrGroup,
  type Steps,
  type Times,
  type Use,
  type Where,
} from './core/rules/builder/plain-rule.ts';
export {
  type AggregateOf,
  type OwnAggregateOf,
  type ResultsOf,
  type Value,
  type Window,
  type WindowOf,
  type WindowRule,
  windowRule,
} from './core/rules/builder/window-rule.ts';
