import type { Event } from '../../src/core/events/event.ts';
import { type NaiveRule, naive } from '../windows/support/naive-windows.ts';
import { eventOf, idOf } from './plain-event.ts';
import {
  aloneIn,
  lateOutcome,
  type Meaning,
  type Moment,
  type Outcome,
  type Placed,
  refOf,
  type Said,
} from './plain-rule.ts';

/** A window rule, said plainly. Events of type Noise are nothing to it. */
export interface PlainWindow extends Pick<NaiveRule, 'window' | 'emitWhen' | 'having'> {
  readonly allowedLateness: number;
  /** How long after its last event a window may still have something to say. */
  readonly settlesMs: number;
}

/**
 * What a window rule says, by the naive computation that its own tests use: for each window there is, anew from all
 * events ever accepted.
 */
export function windowMeaning({ settlesMs, ...window }: PlainWindow): Meaning {
  return {
    concerns: (type) => type !== 'Noise',
    // One that ends with each event has no place for a late one.
    takesLate: window.window.kind !== 'perEvent',
    byProcessingTime: false,
    settlesMs,
    said(moments, { faulty, saysLate }) {
      const outcomes: Outcome[] = [];
      const dead: Said['dead'][number][] = [];
      const take = (part: readonly Moment[]) => {
        for (const outcome of saidBy(window, part, saysLate)) outcomes.push({ ...outcome, moment: outcomes.length });
      };
      let begun = 0;
      moments.forEach((moment, at) => {
        if (moment.kind !== 'event' || !faulty || moment.event.value.poison === undefined) return;
        // Whether it fails before or after, the event is the last of what the key held.
        const { event, now } = moment;
        const before = moments.slice(begun, at);
        take(event.value.poison === 'after' ? [...before, moment] : [...before, { kind: 'time', now }]);
        dead.push({ cause: 'failed', steps: aloneIn('event', event) });
        begun = at + 1;
      });
      take(moments.slice(begun));
      return { outcomes, dead };
    },
  };
}

function saidBy(window: Omit<PlainWindow, 'settlesMs'>, moments: readonly Moment[], saysLate: boolean): Outcome[] {
  const rule = { ...window, where: () => true };
  const byId = new Map<string, Placed>();
  const inputs = moments.flatMap((moment) => {
    if (moment.kind === 'processing') return [];
    if (moment.kind === 'time') return [{ watermark: moment.now }];
    const { event, now } = moment;
    byId.set(idOf(event), event);
    return [...(now > event.time ? [{ watermark: now }] : []), { event: asEvent(event) }];
  });
  const outcomes: Outcome[] = [];
  for (const said of naive(rule, inputs)) {
    if (said.kind === 'late') continue;
    const by = said.by === undefined ? undefined : byId.get(said.by)!;
    const { start, end, count, sum, collect, newest, median } = said.emit as Record<string, unknown>;
    outcomes.push({
      kind: said.kind as 'match' | 'update',
      time: said.time!,
      steps: [{ step: 'window', refs: by === undefined ? [] : [refOf(by)] }],
      emit: { start, end, count, sum, firsts: collect, lasts: newest, median },
      revision: said.revision,
      moment: 0,
    });
  }
  if (!saysLate) return outcomes;
  // Which of them were late: those with which there is one more.
  const lateCount = (upto: number): number =>
    naive(rule, inputs.slice(0, upto)).filter(({ kind }) => kind === 'late').length;
  inputs.forEach((input, at) => {
    const before = inputs[at - 1];
    if (!('event' in input) || before === undefined || !('watermark' in before) || before.watermark <= input.event.time)
      return;
    if (lateCount(at + 1) === lateCount(at)) return;
    const event = byId.get(input.event.id)!;
    outcomes.push(lateOutcome(event, before.watermark - event.time, 0));
  });
  return outcomes;
}

const asEvent = (placed: Placed): Event => ({
  ...eventOf(placed),
  data: { n: placed.value.n, any: placed.value.u, text: undefined },
});
