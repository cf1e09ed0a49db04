import { type NaiveJoin, naiveJoin } from '../joins/naive-join.ts';
import { eventOf, idOf } from './plain-event.ts';
import { aloneIn, type Meaning, type Outcome, type Placed, type Value } from './plain-rule.ts';

/** A join of events of the types Open (its left side, `opened`) and Close (`closed`), said plainly. */
export interface PlainJoin extends Omit<NaiveJoin, 'fits'> {
  readonly fits: (opened: Value, closed: Value) => boolean;
  readonly emitPair: (opened: Placed, closed: Placed) => unknown;
  readonly emitUnmatched: (opened: Placed | undefined, closed: Placed | undefined) => unknown;
  /** How long after its last event a pair or its absence may still be decided. */
  readonly settlesMs: number;
}

/** What a join says, by the naive computation that its own tests use: for every two events it is asked afresh. */
export function joinMeaning({ fits, emitPair, emitUnmatched, settlesMs, ...join }: PlainJoin): Meaning {
  const whole: NaiveJoin = { ...join, fits: (left, right) => fits(left.data as Value, right.data as Value) };
  return {
    concerns: (type, source, sources) =>
      (type === 'Open' && source === sources[0]) || (type === 'Close' && source === sources.at(-1)),
    takesLate: false,
    byProcessingTime: false,
    settlesMs,
    said(moments) {
      const events = moments.flatMap((moment) => (moment.kind === 'event' ? [moment.event] : []));
      const upto = moments.findLast(({ kind }) => kind === 'time')?.now ?? Number.NEGATIVE_INFINITY;
      const byId = new Map(events.map((event) => [idOf(event), event]));
      // What may still come at the last moment itself is not decided by it; the end of a window is.
      const end = join.together.kind === 'window' ? Math.floor(upto) : Math.ceil(upto) - 1;
      const said = naiveJoin(whole, events.map(eventOf), ({ type }) => (type === 'Open' ? 'left' : 'right'), end);
      const outcomes = said.map((text, moment): Outcome => {
        const [kind, ...rest] = text.split(' ');
        const named = (name: string): Placed | undefined =>
          byId.get(rest.find((part) => part.startsWith(`${name}:`))?.slice(name.length + 1) ?? '');
        const [opened, closed] = [named('created'), named('confirmed')];
        return {
          kind: kind as 'match' | 'unmatched',
          time: Number(rest.at(-1)!.slice(1)),
          steps: [...(opened ? aloneIn('opened', opened) : []), ...(closed ? aloneIn('closed', closed) : [])],
          emit: kind === 'match' ? emitPair(opened!, closed!) : emitUnmatched(opened, closed),
          moment,
        };
      });
      return { outcomes, dead: [] };
    },
  };
}
