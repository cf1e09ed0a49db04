import type { Alias, CommonFields, Duration, EventMeta, KeyFields, KeyPart } from './plain-rule.ts';

/**
 * A join as a module writes it. What its functions get is known by the names of its two sides: of a pair both are
 * there, of an unmatched event one is.
 */

/** A length of time that may be 0, or negative: `-5m`. */
export type Bound = Duration | 0 | 'unlimited';

type Interval<Name extends string> = {
  readonly [Of in Name]?: {
    readonly after: Exclude<Name, Of>;
    /** Earliest, inclusive. */
    readonly from: Bound;
    /** Latest, inclusive. */
    readonly to: Bound;
  };
};

/** The events of a pair lie in one window. */
export type JoinWindow =
  | { readonly tumbling: Duration; readonly offset?: Duration | 0 }
  | { readonly sliding: Duration; readonly every: Duration; readonly offset?: Duration | 0 }
  | { readonly session: Duration };

type Key = KeyPart | readonly KeyPart[];

/** The same names, with null where a side has no event. */
type Lone<Sides> = { readonly [Name in keyof Sides]: Sides[Name] | null };
type Metas<Sides> = { readonly [Name in keyof Sides]: EventMeta };

/** JSON whose texts may hold `${expression}`, with functions in place of values; or a function alone. */
export type Told<Sides, Metas> =
  | ((sides: Sides, key: Key, metas: Metas) => unknown)
  | string
  | number
  | boolean
  | null
  | readonly Told<Sides, Metas>[]
  | { readonly [name: string]: Told<Sides, Metas> };

type Join<Sides, Name extends string> = {
  /** `all` (default): an event is in every pair that fits. `oneToOne`: in one at most, the oldest first. */
  readonly pairs?: 'all' | 'oneToOne';
  readonly where?: string | ((sides: Sides, key: Key, metas: Metas<Sides>) => boolean);
} & (
  | { readonly interval: Interval<Name>; readonly window?: never }
  | { readonly window: JoinWindow; readonly interval?: never }
);

type JoinFields<Sides> = CommonFields<Sides[keyof Sides]> & {
  readonly from: { readonly [Name in keyof Sides]: Alias<Sides[Name]> };
  readonly limits?: {
    /** Most events that one key may keep. Default 100,000. */
    readonly events?: number;
    readonly stateBytes?: number;
    readonly onLimit?: 'dropOldest' | 'dropNewest' | 'deadLetter';
  };
} & (KeyFields<Sides[keyof Sides]> | { readonly key?: never; readonly keyEach?: never });

/** A join that tells pairs alone. */
export type PairRule<Sides> = JoinFields<Sides> & {
  readonly join: Join<Sides, keyof Sides & string> & { readonly unmatched?: never };
  readonly emit?: Told<Sides, Metas<Sides>>;
};

/** A join that tells events without a partner as well. */
export type UnmatchedRule<Sides> = JoinFields<Sides> & {
  readonly join: Join<Sides, keyof Sides & string> & {
    /** Sides whose events are told when no partner came. */
    readonly unmatched: (keyof Sides & string) | readonly (keyof Sides & string)[];
  };
  readonly emit?: {
    readonly pair?: Told<Sides, Metas<Sides>>;
    readonly unmatched?: Told<Lone<Sides>, Lone<Metas<Sides>>>;
  };
};

/** @typeParam Sides the data of the events, by alias; two of them */
export type JoinRule<Sides> = PairRule<Sides> | UnmatchedRule<Sides>;

/**
 * Gives a join back as it is; there for its types.
 *
 *     joinRule<{ created: BookingCreated; confirmed: BookingConfirmed }>({ … })
 */
// biome-ignore lint/suspicious/noExplicitAny: without types of its own, data is anything
export function joinRule<Sides = Record<string, any>>(rule: PairRule<Sides>): JoinRule<Sides>;
// biome-ignore lint/suspicious/noExplicitAny: as above
export function joinRule<Sides = Record<string, any>>(rule: UnmatchedRule<Sides>): JoinRule<Sides>;
export function joinRule(rule: unknown): unknown {
  return rule;
}
