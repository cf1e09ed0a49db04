import type { Behaviour } from '../behaviours/behaviour.ts';
import type { Event } from '../events/event.ts';
import type { OnLimit } from '../patterns/pattern.ts';
import type { Lookups } from '../references/lookups.ts';
import type { InstantMs } from '../time/units.ts';
import type { CompiledTo } from './compile-to.ts';

/** The value a key expression gave: a scalar, or a list for a composite key. */
export type KeyValue = string | number | boolean | readonly (string | number | boolean)[];

export type KeyResult =
  | { readonly kind: 'key'; readonly value: KeyValue }
  /**
   * Several keys, each once, or none because the event is nothing that the rules look for. `failures`: why further keys
   * could not be computed; then the event is a dead letter as well.
   */
  | { readonly kind: 'keys'; readonly values: readonly KeyValue[]; readonly failures: readonly string[] }
  /** The expression gave null: the event belongs to no key of this keyspace and takes no part. Counted. */
  | { readonly kind: 'none' }
  /** The expression failed or gave something that is no key (a map, NaN, too long): a dead letter. */
  | { readonly kind: 'failed'; readonly message: string };

/** What becomes of an event that comes later than its source's `disorder` allows: it is always counted. */
export type OnLate = 'drop' | 'sideOutput';

/** What bounds the state that one key may have for a rule. */
export interface RuleBound {
  /** Most bytes per key. */
  readonly stateBytes: number;
  readonly onLimit: OnLimit;
  /** All of it in a few sentences, for `check`. */
  readonly sentence: string;
}

/** A rule as it runs. */
export interface CompiledRule {
  readonly name: string;
  /** Hash of everything that gives the rule its meaning; its identity across restarts. */
  readonly version: string;
  readonly kind: 'pattern' | 'window' | 'join' | 'process';
  readonly severity: string | undefined;
  readonly labels: Readonly<Record<string, string>>;
  /** Names of the sources it reads. */
  readonly sources: readonly string[];
  /** Names of the references that it looks up. */
  readonly references: readonly string[];
  /** Finds their entries while a turn lends it a shard's tables; undefined when the rule looks nothing up. */
  readonly lookups: Lookups | undefined;
  /** Event types that can change its state or match; undefined means any type can. */
  readonly types: readonly string[] | undefined;
  /** Whether late events go to the side output `late`. Default `drop`. */
  readonly onLate: OnLate;
  /**
   * True when the rule reads the event's source and its own `where` lets it through, whatever its steps ask. A `where`
   * that fails lets nothing through; here that is not reported.
   */
  readonly accepts: (event: Event) => boolean;
  /** Where its matches go beside the match stream; undefined = nowhere. Not part of the version. */
  readonly to: CompiledTo | undefined;
  /** What it says of earlier times is counted and not emitted; undefined = it is. Not part of the version. */
  readonly emitFrom: InstantMs | undefined;
  /** What bounds the state of one key; patterns say more of it than others. */
  readonly bound: RuleBound | undefined;
  /** What `afterMatch` means for it, in one sentence; undefined for kinds that have no pattern. */
  readonly afterMatch: string | undefined;
  readonly behaviour: Behaviour;
}

/** All rules with the same key expressions: one routing decision and one actor serve them together. */
export interface Keyspace {
  /** Hash of the canonical key expressions; stable over restarts and over edits of the rules in it. */
  readonly id: string;
  /** Computes the key, or the keys where there can be several; called in the lane, once per event and keyspace. */
  readonly keyOf: (event: Event) => KeyResult;
  readonly rules: readonly CompiledRule[];
  /** False when no rule of the keyspace can take notice of this event, so that it need not be routed at all. */
  readonly relevant: (event: Event) => boolean;
}

/** All rules of a deployment. */
export interface RuleSet {
  /** Hash over all rules. */
  readonly version: string;
  readonly keyspaces: readonly Keyspace[];
  readonly rules: readonly CompiledRule[];
}
