import type { Event } from '../../../src/core/events/event.ts';
import type { EmitWhen, WindowShape } from '../../../src/core/windows/window.ts';
import type { Input, Said } from './drive.ts';
import { naiveResults } from './naive-aggregates.ts';

/**
 * What a window rule must say, computed from all events ever accepted, for every window there is, each time anew. It
 * knows nothing of panes, merges or state, and is as slow as it is plain.
 */
export interface NaiveRule {
  readonly window: WindowShape;
  readonly emitWhen: EmitWhen;
  readonly allowedLateness: number;
  readonly where: (event: Event) => boolean;
  readonly having: ((results: Record<string, unknown>, window: { start: number; end: number }) => boolean) | undefined;
}

interface NaiveWindow {
  /** Names the window; of sessions, what they are begun with. */
  readonly name: string;
  readonly start: number;
  readonly end: number;
  /** NEVER (infinite) for those that no time closes. */
  readonly closesAt: number;
  readonly content: readonly Event[];
}

/** What a window has said so far. */
interface Memory {
  ordinal: number | undefined;
  revision: number;
  asked: number;
  spoke: boolean;
}

export function naive(rule: NaiveRule, inputs: readonly Input[], end = false): Said[] {
  const { window: shape, emitWhen, allowedLateness } = rule;
  const said: Said[] = [];
  /** Accepted, in order of time, ties by arrival. */
  let events: Event[] = [];
  /** Accepted, in order of arrival. */
  const arrivals: Event[] = [];
  let memories = new Map<string, Memory>();
  const closedHeld = new Map<string, boolean>();
  let now = Number.NEGATIVE_INFINITY;
  let ordinals = 0;

  const memoryOf = (name: string): Memory => {
    let memory = memories.get(name);
    if (memory === undefined) {
      memory = { ordinal: undefined, revision: 0, asked: 0, spoke: false };
      memories.set(name, memory);
    }
    return memory;
  };
  const holds = ({ content, start, end }: Omit<NaiveWindow, 'name' | 'closesAt'>): boolean =>
    rule.having === undefined || rule.having(naiveResults(content), { start, end });
  const say = (window: NaiveWindow, time: number, by: Event | undefined, updates: boolean): void => {
    const { name, start, end, content } = window;
    const memory = memoryOf(name);
    let ordinal = memory.ordinal;
    const isUpdate = updates && ordinal !== undefined;
    if (isUpdate) memory.revision += 1;
    else {
      ordinals += 1;
      ordinal = ordinals;
      if (updates) memory.ordinal = ordinal;
    }
    said.push({
      kind: isUpdate ? 'update' : 'match',
      ordinal: ordinal!,
      revision: isUpdate ? memory.revision : undefined,
      time,
      first: content[0]!.time,
      last: content.at(-1)!.time,
      count: content.length,
      by: by?.id,
      emit: { start, end, ...naiveResults(content) },
    });
  };

  // All windows with content, ascending, from the events accepted so far.
  const windows = (): NaiveWindow[] => {
    switch (shape.kind) {
      case 'tumbling':
      case 'sliding': {
        const slide = shape.kind === 'sliding' ? shape.slide : shape.size;
        const starts = new Set<number>();
        for (const { time } of events) {
          let start = shape.offset + Math.floor((time - shape.offset) / slide) * slide;
          for (; start + shape.size > time; start -= slide) starts.add(start);
        }
        return [...starts]
          .sort((a, b) => a - b)
          .map((start) => {
            const end = start + shape.size;
            const content = events.filter(({ time }) => time >= start && time < end);
            return { name: String(start), start, end, closesAt: end, content };
          });
      }
      case 'session': {
        const groups: Event[][] = [];
        for (const event of events) {
          const group = groups.at(-1);
          const isNear = group !== undefined && event.time - group.at(-1)!.time <= shape.gap;
          if (isNear && event.time - group[0]!.time < (shape.maxSize ?? Infinity)) group.push(event);
          else groups.push([event]);
        }
        return groups.map((content) => {
          const start = content[0]!.time;
          const last = content.at(-1)!.time;
          const cut = start + (shape.maxSize ?? Infinity);
          const name = String(Math.min(...content.map(({ seq }) => seq)));
          return {
            name,
            start,
            end: Math.min(last + shape.gap, cut),
            closesAt: Math.min(last + shape.gap + 1, cut),
            content,
          };
        });
      }
      case 'count':
      case 'global': {
        const size = shape.kind === 'count' ? shape.size : Infinity;
        const found: NaiveWindow[] = [];
        for (let from = 0; from < arrivals.length; from += size) {
          const content = inOrder(arrivals.slice(from, from + size));
          const last = content.at(-1)!.time;
          found.push({ name: String(from), start: content[0]!.time, end: last, closesAt: Infinity, content });
        }
        return found;
      }
      case 'perEvent':
      case 'countSliding':
        throw new Error('has no windows but at events');
    }
  };

  const closeOne = (window: NaiveWindow, time: number, by: Event | undefined): void => {
    const memory = memoryOf(window.name);
    const updates = emitWhen.kind === 'every' || (allowedLateness > 0 && window.closesAt !== Infinity);
    if (emitWhen.kind === 'onClose') {
      if (holds(window)) say(window, time, by, updates);
    } else if (emitWhen.kind === 'every' && memory.asked !== window.content.length) {
      memory.asked = window.content.length;
      if (holds(window)) say(window, time, by, updates);
    } else if (emitWhen.kind === 'risingEdge' && emitWhen.across === 'windows' && by === undefined) {
      const slide = 'slide' in shape ? shape.slide : 'size' in shape ? shape.size : 0;
      const isHeld = holds(window);
      closedHeld.set(window.name, isHeld);
      if (isHeld && closedHeld.get(String(window.start - slide)) !== true) say(window, time, undefined, false);
    }
  };

  const advance = (upto: number): void => {
    if (upto <= now) return;
    const due: { at: number; order: number; act: () => void }[] = [];
    for (const window of windowsIfAny()) {
      if (window.closesAt !== Infinity && window.closesAt > now && window.closesAt <= upto) {
        due.push({ at: window.closesAt, order: 0, act: () => closeOne(window, window.closesAt, undefined) });
      }
      if (emitWhen.kind !== 'every') continue;
      const { start, closesAt, content, name } = window;
      let tick = start + emitWhen.every;
      while (tick <= now) tick += emitWhen.every;
      if (tick > upto || tick >= closesAt || memoryOf(name).asked === content.length) continue;
      const at = tick;
      due.push({
        at,
        order: 1,
        act: () => {
          memoryOf(name).asked = content.length;
          if (holds(window)) say(window, at, undefined, true);
        },
      });
    }
    due.sort((a, b) => a.at - b.at || a.order - b.order);
    for (const { act } of due) act();
    now = upto;
    // Sessions that are gone can no longer be joined to others.
    if (shape.kind === 'session') {
      const gone = new Set(
        windows().flatMap((window) => (window.closesAt + allowedLateness <= now ? window.content : [])),
      );
      events = events.filter((event) => !gone.has(event));
    }
  };
  const windowsIfAny = (): NaiveWindow[] =>
    shape.kind === 'perEvent' || shape.kind === 'countSliding' ? [] : windows();

  const accept = (event: Event): void => {
    arrivals.push(event);
    let place = events.length;
    while (place > 0 && events[place - 1]!.time > event.time) place -= 1;
    events.splice(place, 0, event);
  };

  const atEvent = (event: Event): void => {
    const { time } = event;
    if (shape.kind === 'perEvent') {
      const before = events.filter((other) => other.time >= time - shape.size);
      const bounds = { start: time - shape.size, end: time };
      accept(event);
      const window = { name: event.id, ...bounds, closesAt: time, content: [...before, event] };
      const rises = emitWhen.kind !== 'risingEdge' || !holds({ ...bounds, content: before });
      if (rises && holds(window)) say(window, time, event, false);
      return;
    }
    if (shape.kind === 'countSliding') {
      accept(event);
      if (arrivals.length % shape.slide !== 0) return;
      const content = inOrder(arrivals.slice(-shape.size));
      const window = { name: event.id, start: content[0]!.time, end: content.at(-1)!.time, closesAt: time, content };
      const isHeld = holds(window);
      if (isHeld && !(emitWhen.kind === 'risingEdge' && closedHeld.get('last') === true))
        say(window, time, event, false);
      closedHeld.set('last', isHeld);
      return;
    }
    const olds = windows();
    accept(event);
    const news = windows().filter(
      ({ content, closesAt }) => content.includes(event) && closesAt + allowedLateness > now,
    );
    if (shape.kind === 'session') merge(olds, news[0]!);
    for (const window of news) {
      const { name, closesAt, content } = window;
      const isFull = shape.kind === 'count' && content.length === shape.size;
      const isClosed = closesAt <= now || isFull;
      const memory = memoryOf(name);
      const last = content.at(-1)!.time;
      if (isClosed && (emitWhen.kind === 'onClose' || emitWhen.kind === 'every')) {
        closeOne(window, closesAt === Infinity ? last : closesAt, event);
      }
      if (emitWhen.kind === 'everyEvents' && content.length % emitWhen.events === 0 && holds(window)) {
        say(window, time, event, true);
      }
      if (emitWhen.kind === 'once' && !memory.spoke && holds(window)) {
        memory.spoke = true;
        say(window, time, event, false);
      }
      if (emitWhen.kind === 'risingEdge' && emitWhen.across === 'events') {
        const parts =
          shape.kind === 'session'
            ? olds.filter((old) => old.content.some((part) => content.includes(part)))
            : olds.filter((old) => old.name === name);
        const held =
          parts.length === 0
            ? holds(shape.kind === 'tumbling' || shape.kind === 'sliding' ? { ...window, content: [] } : empty(time))
            : parts.some(holds);
        if (!held && holds(window)) say(window, time, event, false);
      }
    }
  };
  const empty = (time: number) => ({
    start: time,
    end: shape.kind === 'session' ? Math.min(time + shape.gap, time + (shape.maxSize ?? Infinity)) : time,
    content: [],
  });

  /** What several sessions have said is now said of the one they have become. */
  const merge = (olds: readonly NaiveWindow[], merged: NaiveWindow): void => {
    const parts = olds.filter((old) => old.content.some((event) => merged.content.includes(event)));
    const spoken = parts.map(({ name }) => memories.get(name)).filter((memory) => memory !== undefined);
    const named = spoken.find(({ ordinal }) => ordinal !== undefined);
    const asked = parts.length > 1 ? 0 : (spoken[0]?.asked ?? 0);
    const memory: Memory = {
      ordinal: named?.ordinal,
      revision: named?.revision ?? 0,
      asked,
      spoke: spoken.some(({ spoke }) => spoke),
    };
    memories = new Map([...memories].filter(([name]) => !parts.some((part) => part.name === name)));
    memories.set(merged.name, memory);
  };

  const isLate = (time: number): boolean => {
    if (time >= now) return false;
    switch (shape.kind) {
      case 'perEvent':
        return true;
      case 'tumbling':
      case 'sliding': {
        const slide = shape.kind === 'sliding' ? shape.slide : shape.size;
        const start = shape.offset + Math.floor((time - shape.offset) / slide) * slide;
        return start + shape.size + allowedLateness <= now;
      }
      case 'session': {
        const joins = windows().some(({ content }) =>
          content.some((other) => Math.abs(other.time - time) <= shape.gap),
        );
        return !joins && time + shape.gap + 1 + allowedLateness <= now;
      }
      default:
        return time + allowedLateness < now;
    }
  };
  const isBetweenWindows = (time: number): boolean =>
    shape.kind === 'sliding' && (((time - shape.offset) % shape.slide) + shape.slide) % shape.slide >= shape.size;

  for (const input of inputs) {
    if ('watermark' in input) {
      advance(input.watermark);
      continue;
    }
    const { event } = input;
    const isBehind = event.time < now;
    if (!isBehind) advance(event.time);
    if (isBehind && shape.kind === 'perEvent') said.push({ kind: 'late', byMs: now - event.time });
    else if (rule.where(event) && !isBetweenWindows(event.time)) {
      if (isLate(event.time)) said.push({ kind: 'late', byMs: now - event.time });
      else atEvent(event);
    }
  }
  if (end) {
    advance(Number.POSITIVE_INFINITY);
    if (shape.kind === 'global') for (const window of windows()) closeOne(window, window.end, undefined);
  }
  return said;
}

function inOrder(events: readonly Event[]): Event[] {
  return events
    .map((event, at) => ({ event, at }))
    .sort((a, b) => a.event.time - b.event.time || a.at - b.at)
    .map(({ event }) => event);
}
