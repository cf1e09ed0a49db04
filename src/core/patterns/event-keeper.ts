import type { Event } from '../events/event.ts';
import type { Pattern } from './pattern.ts';
import type { PatternState } from './pattern-state.ts';
import { type Projection, projections, sizeOfEvent } from './projection.ts';
import { TakenEvent } from './taken-event.ts';

/** Makes of the current event what is held of it, once per projection however many runs take it. */
export class EventKeeper {
  /** How many distinct projections the pattern has. */
  readonly variants: number;
  readonly #ofStep: readonly Projection[];
  readonly #kept: (TakenEvent | undefined)[];
  /** Order of the current event among those taken; -1 while it is not taken. */
  #ordinal = -1;

  constructor(pattern: Pattern) {
    const { ofStep, variants } = projections(pattern);
    this.#ofStep = ofStep;
    this.variants = variants;
    this.#kept = Array.from({ length: variants }, () => undefined);
  }

  /** Whether the current event was taken. */
  get taken(): boolean {
    return this.#ordinal >= 0;
  }

  /** Another event is current. */
  begin(): void {
    if (this.#ordinal < 0) return;
    this.#ordinal = -1;
    this.#kept.fill(undefined);
  }

  keep(state: PatternState, step: number, event: Event): TakenEvent {
    const { variant, pick } = this.#ofStep[step]!;
    const known = this.#kept[variant];
    if (known !== undefined) return known;
    if (this.#ordinal < 0) this.#ordinal = state.nextOrdinal++;
    const data = pick(event.data);
    const kept = TakenEvent.of(event, data, this.#ordinal, variant, sizeOfEvent(event, data));
    this.#kept[variant] = kept;
    return kept;
  }
}
