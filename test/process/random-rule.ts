import {
  aggregating,
  eventTimer,
  list,
  map,
  output,
  processingTimer,
  processRule,
  reducing,
  source,
  value,
} from '../../src/core/process/process-rule.ts';
import { type Op, TTL } from './model.ts';

/** A rule with every kind of state and timer, which does what its events say. */
export const randomRule = processRule({
  rule: 'random',
  from: { told: source<readonly Op[]>('orders', { key: () => 'key' }) },
  state: {
    value: value<number>({ ttl: TTL.value }),
    list: list<number>({ ttl: TTL.list }),
    map: map<string | number, number>({ ttl: TTL.map, ttlClock: 'processing' }),
    sum: reducing({ ttl: TTL.sum, initial: 100, add: (sum, n: number) => sum + n }),
    average: aggregating({
      create: () => ({ count: 0, sum: 0 }),
      add: ({ count, sum }, n: number) => ({ count: count + 1, sum: sum + n }),
      result: ({ count, sum }) => (count === 0 ? null : sum / count),
    }),
  },
  timers: { event: eventTimer(), processing: processingTimer() },
  outputs: { said: output<string>() },
  on: {
    told(ops, ctx) {
      for (const op of ops) apply(op, ctx, 'event');
    },
  },
  onTimer: {
    event: (ctx, id) => fired(ctx, 'event', id),
    processing: (ctx, id) => fired(ctx, 'processing', id),
  },
});

type Context = Parameters<NonNullable<typeof randomRule.onTimer>['event']>[0];

function fired(ctx: Context, clock: 'event' | 'processing', id: string): void {
  apply({ op: 'say' }, ctx, `${clock} timer ${id}`);
  if (id === 'again') ctx.timers[clock].after(2, 'later');
  if (id === 'same') ctx.timers[clock].at(clock === 'event' ? ctx.time : ctx.processingTime, 'later');
  if (id !== 'fail') return;
  ctx.state.list.add(7);
  throw new Error('as told');
}

function apply(op: Op, ctx: Context, cause: string): void {
  const { state, timers } = ctx;
  switch (op.op) {
    case 'set':
      state.value.set(op.n);
      break;
    case 'append':
      state.list.add(op.n);
      break;
    case 'reduce':
      state.sum.add(op.n);
      break;
    case 'aggregate':
      state.average.add(op.n);
      break;
    case 'put':
      state.map.set(op.key, op.n);
      break;
    case 'delete':
      state.map.delete(op.key);
      break;
    case 'take':
      ctx.emit('said', `took ${state.list.takeFirst()}`);
      break;
    case 'replace':
      state.list.set(
        state.list
          .get()
          .map((n) => n + 1)
          .reverse(),
      );
      break;
    case 'forget':
      state.value.clear();
      state.map.clear();
      break;
    case 'unlist':
      state.list.clear();
      break;
    case 'clear':
      ctx.clear();
      break;
    case 'arm':
      timers.event.after(Math.max(0, op.after), op.id);
      break;
    case 'armProcessing':
      timers.processing.at(ctx.processingTime + op.after, op.id);
      break;
    case 'cancel':
      timers.event.cancel(op.id);
      break;
    case 'throw':
      throw new Error('as told');
    case 'say':
      ctx.emit(
        'said',
        JSON.stringify([
          cause,
          ctx.time,
          ctx.processingTime,
          state.value.get() ?? null,
          state.list.get(),
          state.map.entries(),
          state.sum.get(),
          state.average.get(),
          timers.event.due() ?? null,
        ]),
      );
      break;
  }
}
