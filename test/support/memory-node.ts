import type { Extract } from '../../src/core/events/extraction.ts';
import type { SourceSettings } from '../../src/core/events/source-settings.ts';
import type { RuleSet } from '../../src/core/rules/rule-set.ts';
import { duration, instant } from '../../src/core/time/units.ts';
import { type Corral, createCorral, type Ports, type Settings } from '../../src/corral.ts';
import { MemoryLeases } from '../../src/memory/memory-leases.ts';
import { MemoryLog } from '../../src/memory/memory-log.ts';
import type { EventSource, FencedLog, LogMessage } from '../../src/ports/log.ts';
import type { Logger } from '../../src/ports/logger.ts';
import { systemClock } from '../../src/system/system-clock.ts';
import { systemRandom } from '../../src/system/system-random.ts';

/** A source whose events are JSON with `at` (ms), `kind` and anything else. */
export function sourceSettings(name: string, changes: Partial<SourceSettings> = {}): SourceSettings {
  const field =
    (path: string): Extract =>
    ({ data }) => ({ ok: true, value: (data as Record<string, unknown> | null)?.[path] ?? null });
  return {
    name,
    stream: name.toUpperCase(),
    subject: undefined,
    format: 'auto',
    start: { kind: 'beginning' },
    disorder: duration(0),
    idleAfter: duration(2000),
    publisher: undefined,
    eventBytesMax: 1024 * 1024,
    extraction: {
      each: undefined,
      derived: [],
      where: undefined,
      id: undefined,
      type: field('kind'),
      time: field('at'),
    },
    ...changes,
  };
}

export const silent: Logger = {
  debug: () => undefined,
  info: () => undefined,
  warn: () => undefined,
  error: () => undefined,
};

/** One node over memory ports; ports and settings can be changed one by one. */
export function memoryNode(
  rules: RuleSet,
  sources: ReadonlyMap<string, EventSource>,
  { ports = {}, settings = {} }: { ports?: Partial<Ports>; settings?: Partial<Settings> } = {},
): { corral: Corral; log: FencedLog; ports: Ports } {
  const all: Ports = {
    sources,
    log: new MemoryLog({ prefix: 'corral', now: () => instant(0) }),
    leases: new MemoryLeases(),
    clock: systemClock,
    random: systemRandom,
    logger: silent,
    ...ports,
  };
  const corral = createCorral(all, {
    prefix: 'corral',
    node: 'node',
    shards: 4,
    sources: [...sources.keys()].map((name) => sourceSettings(name)),
    rules,
    leaseTtl: duration(300),
    heartbeat: duration(20),
    actorsMax: 1000,
    atEnd: 'close',
    finite: false,
    ...settings,
  });
  return { corral, log: all.log, ports: all };
}

/** All messages that now fit a filter. */
export async function messagesOf(log: FencedLog, filter: string): Promise<readonly LogMessage[]> {
  const { lastSequence } = await log.facts(filter);
  const reader = log.read(filter, 1);
  const found: LogMessage[] = [];
  // Nothing is added meanwhile, so what is there comes at once.
  const nothing = new Promise<undefined>((resolve) => setImmediate(resolve, undefined));
  while (found.at(-1)?.sequence !== lastSequence) {
    const messages = await Promise.race([reader.next(), nothing]);
    if (messages === undefined) break;
    found.push(...messages);
  }
  await reader.close();
  return found;
}
