/**
 * What the process rule of `random-rule.ts` must do, as a plain program over plain objects: time goes forward moment by
 * moment, all of a key's memory is one object, and a failed call is a copy thrown away. Shares nothing with the engine.
 */
export type Op =
  | { readonly op: 'set' | 'append' | 'reduce' | 'aggregate'; readonly n: number }
  | { readonly op: 'put'; readonly key: string | number; readonly n: number }
  | { readonly op: 'delete'; readonly key: string | number }
  | { readonly op: 'take' | 'replace' | 'forget' | 'unlist' | 'clear' | 'say' | 'throw' }
  | { readonly op: 'arm' | 'armProcessing'; readonly id: string | undefined; readonly after: number }
  | { readonly op: 'cancel'; readonly id: string | undefined };

export const TTL = { value: 5, list: 4, map: 6, sum: 9 };

interface Memory {
  value: { n: number; until: number } | undefined;
  list: { n: number; until: number }[];
  /** In the order in which keys were first set. */
  map: { key: string | number; n: number; until: number }[];
  sum: { n: number; until: number } | undefined;
  average: { count: number; sum: number };
  /** `id` undefined is a timer of its own. */
  timers: { clock: 'event' | 'processing'; id: string | undefined; due: number }[];
  eventTime: number;
}

const fresh = (): Memory => ({
  value: undefined,
  list: [],
  map: [],
  sum: undefined,
  average: { count: 0, sum: 0 },
  timers: [],
  eventTime: Number.NEGATIVE_INFINITY,
});

export class Model {
  readonly said: string[] = [];
  private memory = fresh();
  private processingTime = 0;

  event(time: number, ops: readonly Op[]): void {
    this.advance(time, false);
    this.memory.eventTime = time;
    this.call('event', time, this.processingTime, ops);
  }

  /** @param with what is due at `time` itself happens, too */
  advance(time: number, inclusive: boolean): void {
    this.run('event', (due) => due < time || (inclusive && due === time));
  }

  advanceProcessing(time: number, inclusive: boolean): void {
    this.processingTime = Math.max(this.processingTime, time);
    this.run('processing', (due) => due < time || (inclusive && due === time));
  }

  get isEmpty(): boolean {
    const { value, list, map, sum, average, timers } = this.memory;
    return (
      value === undefined &&
      list.length === 0 &&
      map.length === 0 &&
      sum === undefined &&
      average.count === 0 &&
      timers.length === 0
    );
  }

  private run(clock: 'event' | 'processing', isPast: (due: number) => boolean): void {
    for (;;) {
      const { memory } = this;
      const untils = this.untils(clock);
      const due = Math.min(
        ...untils,
        ...memory.timers.filter((timer) => timer.clock === clock).map((timer) => timer.due),
      );
      if (!isPast(due)) return;
      if (clock === 'event') memory.eventTime = due;
      const [timer] = memory.timers
        .filter((one) => one.clock === clock && one.due === due)
        .sort((a, b) => ((a.id ?? '') < (b.id ?? '') ? -1 : 1));
      if (timer === undefined) {
        this.forget(clock, due);
        continue;
      }
      memory.timers.splice(memory.timers.indexOf(timer), 1);
      const { id = '' } = timer;
      const ops: Op[] = [{ op: 'say' }];
      if (id === 'again') ops.push({ op: clock === 'event' ? 'arm' : 'armProcessing', id: 'later', after: 2 });
      if (id === 'same') ops.push({ op: clock === 'event' ? 'arm' : 'armProcessing', id: 'later', after: 0 });
      if (id === 'fail') ops.push({ op: 'append', n: 7 }, { op: 'throw' });
      const processing = clock === 'processing' ? due : this.processingTime;
      this.call(`${clock} timer ${id}`, memory.eventTime, processing, ops);
    }
  }

  private untils(clock: 'event' | 'processing'): number[] {
    const { value, list, map, sum } = this.memory;
    return clock === 'event'
      ? [
          value?.until ?? Number.POSITIVE_INFINITY,
          ...list.map(({ until }) => until),
          sum?.until ?? Number.POSITIVE_INFINITY,
        ]
      : map.map(({ until }) => until);
  }

  private forget(clock: 'event' | 'processing', due: number): void {
    const { memory } = this;
    if (clock === 'event') {
      if (memory.value?.until === due) memory.value = undefined;
      if (memory.sum?.until === due) memory.sum = undefined;
      memory.list = memory.list.filter(({ until }) => until !== due);
    } else memory.map = memory.map.filter(({ until }) => until !== due);
  }

  private call(cause: string, time: number, processing: number, ops: readonly Op[]): void {
    const before = structuredClone(this.memory);
    const saidBefore = this.said.length;
    for (const op of ops) {
      if (op.op === 'throw') {
        this.memory = before;
        this.said.length = saidBefore;
        this.said.push(`failed ${cause}`);
        return;
      }
      this.apply(op, cause, time, processing);
    }
  }

  private apply(op: Op, cause: string, time: number, processing: number): void {
    const { memory } = this;
    switch (op.op) {
      case 'set':
        memory.value = { n: op.n, until: time + TTL.value };
        break;
      case 'append':
        memory.list.push({ n: op.n, until: time + TTL.list });
        break;
      case 'reduce':
        memory.sum = { n: (memory.sum?.n ?? 100) + op.n, until: time + TTL.sum };
        break;
      case 'aggregate':
        memory.average = { count: memory.average.count + 1, sum: memory.average.sum + op.n };
        break;
      case 'put': {
        const found = memory.map.find(({ key }) => key === op.key);
        const until = processing + TTL.map;
        if (found === undefined) memory.map.push({ key: op.key, n: op.n, until });
        else Object.assign(found, { n: op.n, until });
        break;
      }
      case 'delete':
        memory.map = memory.map.filter(({ key }) => key !== op.key);
        break;
      case 'take':
        this.said.push(`took ${memory.list.shift()?.n}`);
        break;
      case 'replace':
        memory.list = memory.list.map(({ n }) => ({ n: n + 1, until: time + TTL.list })).reverse();
        break;
      case 'forget':
        memory.value = undefined;
        memory.map = [];
        break;
      case 'unlist':
        memory.list = [];
        break;
      case 'clear':
        this.memory = { ...fresh(), eventTime: memory.eventTime };
        break;
      case 'arm':
      case 'armProcessing': {
        const clock = op.op === 'arm' ? 'event' : 'processing';
        const due = (clock === 'event' ? time : processing) + Math.max(0, op.after);
        memory.timers = memory.timers.filter((timer) => timer.clock !== clock || timer.id !== op.id);
        memory.timers.push({ clock, id: op.id, due });
        break;
      }
      case 'cancel':
        memory.timers = memory.timers.filter(({ clock, id }) => clock !== 'event' || id !== op.id);
        break;
      case 'say': {
        const { value, list, map, sum, average, timers } = memory;
        const plain = timers.find(({ clock, id }) => clock === 'event' && id === undefined);
        this.said.push(
          JSON.stringify([
            cause,
            time,
            processing,
            value?.n ?? null,
            list.map(({ n }) => n),
            map.map(({ key, n }) => [key, n]),
            sum?.n ?? 100,
            average.count === 0 ? null : average.sum / average.count,
            plain?.due ?? null,
          ]),
        );
      }
    }
  }
}
