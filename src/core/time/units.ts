/** A nominal type: `Brand<number, 'InstantMs'>` and `Brand<number, 'DurationMs'>` do not mix by accident. */
declare const brand: unique symbol;
export type Brand<Base, Name extends string> = Base & { readonly [brand]: Name };

/** A point in time, in milliseconds since the Unix epoch. May be fractional and negative. */
export type InstantMs = Brand<number, 'InstantMs'>;

/** A length of time in milliseconds. */
export type DurationMs = Brand<number, 'DurationMs'>;

/** Before every event: the watermark of a source of which nothing is known yet. */
export const BEGINNING = Number.NEGATIVE_INFINITY as InstantMs;

/** After every event: the watermark of a source that has ended; also the wake time of a state that no time changes. */
export const NEVER = Number.POSITIVE_INFINITY as InstantMs;

export const instant = (ms: number): InstantMs => ms as InstantMs;
export const duration = (ms: number): DurationMs => ms as DurationMs;
export const after = (start: InstantMs, length: DurationMs): InstantMs => (start + length) as InstantMs;
export const between = (start: InstantMs, end: InstantMs): DurationMs => (end - start) as DurationMs;
