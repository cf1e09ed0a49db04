import type { EventMeta } from './plain-rule.ts';

/**
 * What a pattern's steps hold, in types alone: each step is noted with the type of its events and whether it holds one
 * event, one or none, or a list. Groups and quantifiers change that for all steps inside them.
 */
export type Holds = 'one' | 'maybe' | 'many';

/** A step's note. There are no such values. */
export interface Held<How extends Holds, Data> {
  readonly how: How;
  readonly data: Data;
}

// biome-ignore lint/suspicious/noExplicitAny: events of any type
export type AnySteps = Readonly<Record<string, Held<Holds, any>>>;

// biome-ignore lint/complexity/noBannedTypes: no steps at all
export type NoSteps = {};

/** All steps of both; of two with one name the second counts. */
export type Merged<First, Second> = {
  readonly [Name in keyof First | keyof Second]: Name extends keyof Second
    ? Second[Name]
    : Name extends keyof First
      ? First[Name]
      : never;
};

/** What holds `Inner` inside something that holds `Outer`. */
export type Within<Outer extends Holds, Inner extends Holds> = 'many' extends Outer | Inner
  ? 'many'
  : 'maybe' extends Outer | Inner
    ? 'maybe'
    : 'one';

/** The steps as they are inside a group that loops (`many`) or may be absent (`maybe`). */
export type Lifted<Steps, How extends Holds> = {
  readonly [Name in keyof Steps]: Steps[Name] extends Held<infer Own, infer Data>
    ? Held<Within<How, Own>, Data>
    : never;
};

/** What a function gets to see of the steps: data, null where there may be none, lists. */
export type Taken<Steps> = {
  readonly [Name in keyof Steps]: Steps[Name] extends Held<infer How, infer Data> ? Shown<How, Data> : never;
};

/** The same with envelopes instead of data. */
export type Metas<Steps> = {
  readonly [Name in keyof Steps]: Steps[Name] extends Held<infer How, infer _> ? Shown<How, EventMeta> : never;
};

type Shown<How extends Holds, Data> = How extends 'many' ? readonly Data[] : How extends 'maybe' ? Data | null : Data;

/** `times`, as the builder takes it. */
export type TimesOf = number | 'oneOrMore' | { readonly min?: number; readonly max?: number; readonly within?: string };

/** What a step or group with these `times` holds. */
export type HoldsAfter<Times, How extends Holds> = Times extends 1
  ? How
  : Times extends { readonly max: 1 }
    ? Times extends { readonly min: 1 }
      ? How
      : Within<'maybe', How>
    : 'many';

/** A name that no step has yet; otherwise a text that says so in the compiler's message. */
export type Fresh<Name extends string, Known> = Name extends keyof Known ? `there is a step \`${Name}\` already` : Name;
