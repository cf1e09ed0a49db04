import { begin, type Chain } from './chain.ts';
import type { Lifted, Metas, NoSteps, Taken } from './held.ts';
import type { AnyEvent, Context, Found, Start } from './pattern.ts';
import type { AfterMatchOf, EmitOf, PatternRule, RuleFields } from './plain-rule.ts';

/** A rule whose pattern was made with `begin`. */
export type BuiltRule<Data, Steps, Top extends string> = RuleFields<Data> & {
  readonly pattern: Found<Steps, Top, 'one'>;
  readonly afterMatch?: AfterMatchOf<NoInfer<Top>>;
} & (
    | { readonly onTimeout?: 'drop'; readonly emit?: Emit<Steps> }
    /** What timed out lacks steps, so `emit` has to reckon with null for each. */
    | { readonly onTimeout: 'emit'; readonly emit?: Emit<Lifted<Steps, 'maybe'>> }
  );

/** A function, or JSON whose texts may hold `${expression}` and whose values may be functions. */
export type Emit<Steps> =
  | EmitOf<Taken<Steps>, Metas<Steps>>
  | string
  | number
  | boolean
  | null
  | readonly Emit<Steps>[]
  | { readonly [name: string]: Emit<Steps> };

interface Whole<Events> extends Context {
  readonly events: Events;
  readonly seen: NoSteps;
  readonly rounds: 'one';
}

/** What rules over some types of events are written with. */
export interface Writing<Events> extends Start<Whole<Events>> {
  /** Makes the rule: the same that a plain one would be. */
  rule<Steps, Top extends string>(
    definition: BuiltRule<AnyEvent<Whole<Events>>, Steps, Top>,
  ): PatternRule<AnyEvent<Whole<Events>>>;
}

/**
 * Says what the events are, by type, and gives what to write rules with. Steps and their events are known by type from
 * then on: a step that is not there, or a field that its events lack, is an error of the compiler.
 *
 *     const { begin, rule } = events<{ FailedPassword: Attempt; AcceptedPassword: Attempt }>();
 *
 * Without types of its own, events hold anything.
 */
// biome-ignore lint/suspicious/noExplicitAny: without a type of its own, data is anything
export function events<Events = Record<string, any>>(): Writing<Events> {
  // The types are those of `Pattern`, which say more than the functions behind them can.
  return { begin, rule: plain } as unknown as Writing<Events>;
}

const plain = ({ pattern, ...rest }: { readonly pattern: Chain }): unknown => ({ ...rest, pattern: pattern.stages });
