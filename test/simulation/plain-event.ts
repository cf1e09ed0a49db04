import type { Event } from '../../src/core/events/event.ts';
import { instant } from '../../src/core/time/units.ts';
import type { Placed } from './plain-rule.ts';

/** An event in the form in which naive computations of other tests take it; its id says where it lies. */
export const eventOf = (placed: Placed): Event => ({
  id: idOf(placed),
  type: placed.value.type,
  subject: 'in',
  time: instant(placed.time),
  source: placed.source,
  seq: placed.seq * 1000 + placed.index,
  index: 0,
  headers: undefined,
  data: placed.value,
});

export const idOf = ({ source, seq, index }: Placed): string => `${source}/${seq}.${index}`;
