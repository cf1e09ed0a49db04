import { eventTimer, output, processRule, source, value } from 'corral/rules';

interface Billing {
  readonly case: string;
  readonly seq: number;
}

const DAYS_180 = 180 * 86_400_000;

/** The first NEW of each case must be followed by a FIN within 180 days, the last moment included. */
export default processRule({
  rule: 'billing-not-finished',
  from: {
    opened: source<Billing>('billing', { type: 'NEW', key: (event) => event.case }),
    finished: source<Billing>('billing', { type: 'FIN', key: (event) => event.case }),
  },
  state: { first: value<number>() }, // no ttl: a later NEW is never the first
  timers: { deadline: eventTimer() },
  outputs: { overdue: output<{ case: string; seq: number; deadline: number }>() },
  on: {
    opened(event, ctx) {
      if (ctx.state.first.get() !== undefined) return;
      ctx.state.first.set(event.seq);
      ctx.timers.deadline.at(ctx.time + DAYS_180);
    },
    finished(_event, ctx) {
      ctx.timers.deadline.cancel();
    },
  },
  onTimer: {
    deadline(ctx) {
      const seq = ctx.state.first.get();
      if (seq !== undefined) ctx.emit('overdue', { case: String(ctx.key), seq, deadline: ctx.time });
    },
  },
});
