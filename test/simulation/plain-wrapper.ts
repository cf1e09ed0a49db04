import type { Meaning, Moment, Outcome } from './plain-rule.ts';

/** What a rule asks for around what it means. */
export interface PlainWrapper {
  /** At most `count` emissions of a key in `perMs`. */
  readonly throttle?: { readonly perMs: number; readonly count: number };
  /** An event with the `n` of another one less than this before it is not seen. */
  readonly dedupeMs?: number;
}

export function wrappedMeaning(inner: Meaning, { throttle, dedupeMs }: PlainWrapper): Meaning {
  return {
    ...inner,
    said(moments, rule) {
      const said = inner.said(dedupeMs === undefined ? moments : withoutRepeated(moments, dedupeMs), rule);
      return throttle === undefined ? said : { ...said, outcomes: throttled(said.outcomes, throttle) };
    },
  };
}

/** What is left out does not renew the time. */
function withoutRepeated(moments: readonly Moment[], withinMs: number): Moment[] {
  const latest = new Map<number, number>();
  return moments.filter((moment) => {
    if (moment.kind !== 'event') return true;
    const { time, value } = moment.event;
    const before = latest.get(value.n);
    if (before !== undefined && time - before < withinMs) return false;
    latest.set(value.n, time);
    return true;
  });
}

/** Side outputs are not held back. */
function throttled(outcomes: readonly Outcome[], { perMs, count }: { perMs: number; count: number }): Outcome[] {
  let passed: number[] = [];
  let suppressed = 0;
  return outcomes.flatMap((outcome) => {
    if (outcome.side !== undefined || outcome.kind === 'timeout' || outcome.kind === 'late') return [outcome];
    const { time } = outcome;
    passed = passed.filter((before) => before + perMs > time);
    if (passed.length >= count) {
      suppressed += 1;
      return [];
    }
    passed.push(time);
    const told = suppressed === 0 ? outcome : { ...outcome, suppressed };
    suppressed = 0;
    return [told];
  });
}
