import type { ReferenceSettings } from '../../src/core/references/reference-settings.ts';
import type { RuleSet } from '../../src/core/rules/rule-set.ts';
import { decodeRecord } from '../../src/core/shards/record.ts';
import { duration, instant } from '../../src/core/time/units.ts';
import type { Corral, Settings } from '../../src/corral.ts';
import { MemoryLog } from '../../src/memory/memory-log.ts';
import { MemorySource } from '../../src/memory/memory-source.ts';
import type { EventSource } from '../../src/ports/log.ts';
import type { Logger } from '../../src/ports/logger.ts';
import { memoryNode, messagesOf, silent, sourceSettings } from './memory-node.ts';
import { until } from './until.ts';

/** A bucket of that name. */
export const bucketOf = (name: string, changes: Partial<ReferenceSettings> = {}): ReferenceSettings => ({
  name,
  stream: `KV_${name}`,
  subject: `$KV.${name}.>`,
  keyPrefix: `$KV.${name}.`,
  format: 'auto',
  key: undefined,
  value: undefined,
  remove: undefined,
  onStreamChanged: 'stop',
  entryBytesMax: 65_536,
  bytesMax: 1024 * 1024,
  ...changes,
});

/** A bucket `customers`, a source `shop` and a log in memory, for nodes that read both. */
export class ReferenceWorld {
  readonly bucket = new MemorySource({ name: 'customers', now: () => instant(Date.now()) });
  readonly shop = new MemorySource({ name: 'shop', now: () => instant(Date.now()) });
  log = new MemoryLog({ prefix: 'corral', now: () => instant(Date.now()) });
  readonly warnings: string[] = [];
  private readonly rules: RuleSet;
  private readonly changes: Partial<ReferenceSettings>;
  private at = 0;

  /** @param changes of the settings of the reference */
  constructor(rules: RuleSet, changes: Partial<ReferenceSettings> = {}) {
    this.rules = rules;
    this.changes = changes;
  }

  put(key: string, value: unknown): void {
    this.bucket.publish({ subject: `$KV.customers.${key}`, body: Buffer.from(JSON.stringify(value)) });
  }

  remove(key: string, headers: Readonly<Record<string, string>> = { 'kv-operation': 'DEL' }): void {
    this.bucket.publish({ subject: `$KV.customers.${key}`, body: Buffer.alloc(0), headers });
  }

  /** Each a second after the one before. */
  buy(user: string, more: object = {}): void {
    this.at += 1000;
    const event = { kind: 'Bought', at: this.at, user, ...more };
    this.shop.publish({ subject: 'shop', body: Buffer.from(JSON.stringify(event)) });
  }

  /** @param bucket what the node reads as the bucket, when it is not just that */
  node(settings: Partial<Settings> = {}, bucket: EventSource = this.bucket): Corral {
    const warn: Logger['warn'] = (_, message) => void this.warnings.push(message);
    return memoryNode(this.rules, new Map([['shop', this.shop]]), {
      ports: { log: this.log, references: new Map([['customers', bucket]]), logger: { ...silent, warn } },
      settings: {
        sources: [sourceSettings('shop', { idleAfter: duration(Number.POSITIVE_INFINITY) })],
        references: [bucketOf('customers', this.changes)],
        ...settings,
      },
    }).corral;
  }

  /** What matches have emitted, in the order of their times. */
  async matches(): Promise<Record<string, unknown>[]> {
    return (await this.written('match')).map(({ emit }) => emit);
  }

  /** Data of the envelopes on the subjects of a kind, in the order of their times. */
  async written(kind: 'match' | 'side'): Promise<{ readonly emit: Record<string, unknown> }[]> {
    const messages = await messagesOf(this.log, `corral.${kind}.>`);
    const envelopes = messages.map(({ body }) => JSON.parse(Buffer.from(body).toString()));
    return envelopes.sort((a, b) => Date.parse(a.time) - Date.parse(b.time)).map(({ data }) => data);
  }

  async matched(count: number): Promise<Record<string, unknown>[]> {
    await until(async () => (await this.matches()).length >= count);
    return this.matches();
  }

  /** Waits until all that the bucket holds now is in the logs of all shards: what is published from now on stands behind it. */
  async loaded(): Promise<void> {
    const { lastSequence } = await this.bucket.facts();
    for (let shard = 0; shard < 4; shard += 1) {
      await until(async () => {
        const end = await this.log.last(`corral.shard.${shard}.reference:customers`);
        return end !== undefined && decodeRecord(end.body).upto.seq >= lastSequence;
      });
    }
  }
}
