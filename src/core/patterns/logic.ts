import type { Condition } from './pattern.ts';

// The conditions on the automaton's edges, as terms over the conditions that rules supply.
//
// An edge's condition is rarely what the author wrote: it is "not until, and where", "not where", "not the greedy
// step", and so on. Terms are interned, so equal terms are one number and are evaluated once; and because they are
// data, the compiler can see that two edges exclude each other (`where` against `not where`) and need not fork.

/** A term's index in its `Logic`. */
export type Term = number;

export type TermShape =
  | { readonly kind: 'constant'; readonly value: boolean }
  | { readonly kind: 'condition'; readonly condition: Condition }
  | { readonly kind: 'not'; readonly of: Term }
  | { readonly kind: 'and'; readonly parts: readonly Term[] }
  | { readonly kind: 'or'; readonly parts: readonly Term[] }
  /** The event comes less than `limit` ms after the last one taken; true when none is taken. */
  | { readonly kind: 'gapBelow'; readonly limit: number }
  /** The event comes less than `limit` ms after the first one taken by any of `steps`; true when none is taken. */
  | { readonly kind: 'spanBelow'; readonly limit: number; readonly steps: readonly number[] };

/** The constant terms, the same in every `Logic`. */
export const NO: Term = 0;
export const YES: Term = 1;

export class Logic {
  readonly shapes: TermShape[] = [
    { kind: 'constant', value: false },
    { kind: 'constant', value: true },
  ];
  readonly #byCondition = new Map<Condition, Term>();
  readonly #byText = new Map<string, Term>();

  /** An absent condition is always true. */
  condition(condition: Condition | undefined): Term {
    if (condition === undefined) return YES;
    const known = this.#byCondition.get(condition);
    if (known !== undefined) return known;
    const term = this.shapes.push({ kind: 'condition', condition }) - 1;
    this.#byCondition.set(condition, term);
    return term;
  }

  not(of: Term): Term {
    if (of === NO) return YES;
    if (of === YES) return NO;
    const shape = this.shapes[of]!;
    if (shape.kind === 'not') return shape.of;
    return this.#intern(`not ${of}`, { kind: 'not', of });
  }

  /** In the order given, so that the cheap and decisive part can stand first. */
  and(...terms: readonly Term[]): Term {
    const parts = this.#flatten(terms, 'and', YES);
    if (parts.includes(NO) || parts.some((part) => parts.includes(this.not(part)))) return NO;
    if (parts.length < 2) return parts[0] ?? YES;
    return this.#intern(`and ${parts.join()}`, { kind: 'and', parts });
  }

  or(...terms: readonly Term[]): Term {
    const parts = this.#flatten(terms, 'or', NO);
    if (parts.includes(YES) || parts.some((part) => parts.includes(this.not(part)))) return YES;
    if (parts.length < 2) return parts[0] ?? NO;
    return this.#intern(`or ${parts.join()}`, { kind: 'or', parts });
  }

  gapBelow(limit: number): Term {
    return this.#intern(`gap ${limit}`, { kind: 'gapBelow', limit });
  }

  spanBelow(limit: number, steps: readonly number[]): Term {
    return this.#intern(`span ${limit} ${steps.join()}`, { kind: 'spanBelow', limit, steps });
  }

  /** True when no event can make both true. May say false although it is so. */
  exclude(one: Term, other: Term): boolean {
    return this.and(one, other) === NO;
  }

  /** True when the term depends on the event and the key alone. */
  isStateless(term: Term): boolean {
    const shape = this.shapes[term]!;
    switch (shape.kind) {
      case 'constant':
        return true;
      case 'condition':
        return shape.condition.stateless === true;
      case 'not':
        return this.isStateless(shape.of);
      case 'and':
      case 'or':
        return shape.parts.every((part) => this.isStateless(part));
      case 'gapBelow':
      case 'spanBelow':
        return false;
    }
  }

  #flatten(terms: readonly Term[], kind: 'and' | 'or', neutral: Term): Term[] {
    const parts: Term[] = [];
    for (const term of terms) {
      const shape = this.shapes[term]!;
      for (const part of shape.kind === kind ? shape.parts : [term]) {
        if (part !== neutral && !parts.includes(part)) parts.push(part);
      }
    }
    return parts;
  }

  #intern(text: string, shape: TermShape): Term {
    const known = this.#byText.get(text);
    if (known !== undefined) return known;
    const term = this.shapes.push(shape) - 1;
    this.#byText.set(text, term);
    return term;
  }
}
