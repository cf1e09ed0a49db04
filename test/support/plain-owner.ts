import { ByteWriter } from '../../src/core/shards/byte-writer.ts';
import { readCells, writeCell } from '../../src/core/shards/cells.ts';
import type { Commit, CommitOutput, KeyChange } from '../../src/core/shards/commit.ts';
import { whole } from '../../src/core/shards/position.ts';
import type { ShardState } from '../../src/core/shards/shard-state.ts';
import type { SnapshotSettings } from '../../src/core/shards/snapshot-decision.ts';
import { subjects } from '../../src/core/shards/subjects.ts';
import { instant } from '../../src/core/time/units.ts';
import { type Journal, openJournal } from '../../src/journal/journal.ts';
import type { JournalNames, JournalPorts } from '../../src/journal/journal-ports.ts';
import { SnapshotGate } from '../../src/journal/snapshot-gate.ts';
import { Snapshots } from '../../src/journal/snapshots.ts';
import { createMeasures } from '../../src/pipeline/create-measures.ts';
import { RelayedUpto } from '../../src/pipeline/relayed-upto.ts';
import type { Clock } from '../../src/ports/clock.ts';
import type { FencedLog } from '../../src/ports/log.ts';

export const PREFIX = 'corral';
export const NAMES: JournalNames = {
  shard: 3,
  journal: subjects(PREFIX).journal(3),
  shardLog: (lane) => subjects(PREFIX).shardLog(3, lane),
  page: (page) => subjects(PREFIX).page(3, page),
};

/** Whatever is waited for comes as soon as everything at hand is done. */
export const promptClock: Clock = {
  now: () => instant(0),
  monotonic: () => 0,
  after(_, callback) {
    const pending = setImmediate(callback);
    return () => clearImmediate(pending);
  },
};

export function portsOn(log: FencedLog): JournalPorts {
  return { log, clock: promptClock, measures: createMeasures({ sources: [], rules: { rules: [] } as never }).node };
}

/** Numbers from 0 to 1, the same for the same seed (mulberry32). */
export function chance(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

export const settle = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

/**
 * An owner of one shard that knows nothing of rules: each batch changes some keys at random and says something on some
 * subjects. It does with journal and snapshots what a real one does: the next batch is computed before the last commit is
 * acknowledged, and what it says is relayed some time later.
 */
export class PlainOwner {
  readonly journal: Journal;
  readonly snapshots: Snapshots;
  readonly ports: JournalPorts;
  private readonly log: FencedLog;
  private readonly random: () => number;
  private readonly relayed: Map<string, number>;
  private readonly upto: RelayedUpto;
  /** Ordinal up to which each subject's outputs are committed. */
  private readonly committed: Map<string, number>;
  private flying: Promise<unknown> = Promise.resolve();
  /** Resolves when it cannot go on. */
  readonly failed: Promise<unknown>;

  /** @param relayed the ordinal up to which each subject's outputs are relayed; brought on as it goes */
  static async open(
    log: FencedLog,
    random: () => number,
    relayed: Map<string, number>,
    settings: SnapshotSettings,
  ): Promise<PlainOwner> {
    const ports = portsOn(log);
    const journal = await openJournal(ports, NAMES, `owner ${random()}`);
    return new PlainOwner(log, ports, journal, random, relayed, settings);
  }

  private constructor(
    log: FencedLog,
    ports: JournalPorts,
    journal: Journal,
    random: () => number,
    relayed: Map<string, number>,
    settings: SnapshotSettings,
  ) {
    this.log = log;
    this.ports = ports;
    this.journal = journal;
    this.random = random;
    this.relayed = relayed;
    const { recovered } = journal;
    this.committed = new Map(recovered.state.head.ordinals);
    this.upto = new RelayedUpto(recovered.start, ({ subject, ordinal }) => (relayed.get(subject) ?? 0) >= ordinal);
    for (const { bytes, ...commit } of recovered.tail)
      this.upto.add({ ...commit, journalBytes: bytes, logBytes: 0, records: new Map() });
    let failed: (error: unknown) => void = () => undefined;
    this.failed = new Promise((resolve) => {
      failed = resolve;
    });
    this.snapshots = new Snapshots({
      ...{ ports, names: NAMES, recovered, settings, gate: new SnapshotGate(), failed },
      relayed: () => this.upto.now,
    });
  }

  /** Works through some batches, over so many keys, and waits until they are stored. */
  async work(batches: number, keys = 40): Promise<void> {
    for (let n = 0; n < batches; n += 1) {
      const { commit, manifest, record } = await this.batch(keys);
      // A page may be packed between a batch and the sending of its commit.
      if (this.random() < 0.5) await settle();
      await this.flying;
      this.flying = this.journal.commit(commit).then(({ bytes, sequence }) => {
        const { number, cursor, outputs } = commit;
        const records = new Map([['a', record]]);
        this.upto.add({ number, cursor, outputs, sequence, journalBytes: bytes, logBytes: 10, records });
        for (const { subject, ordinal } of outputs) this.committed.set(subject, ordinal);
        manifest?.stored();
        this.snapshots.consider();
      });
      this.flying.catch(() => undefined);
      if (this.random() < 0.5) this.relaySome();
      if (this.random() < 0.7) await settle();
    }
    await this.flying;
  }

  private async batch(keys: number) {
    const { state } = this.journal.recovered;
    const { random } = this;
    const record = await this.append(NAMES.shardLog('a'));
    state.cursor = record;
    state.processingTime = instant(record * 10);
    const number = state.commitNumber + 1;
    const lane = { lane: 'a', upto: whole(number), watermark: instant(number), created: 'c', ruleVersion: 1 };
    state.lanes.set('a', { ...lane, standing: 'leads' });
    state.clocks.set(1, instant(number));
    const names: string[] = [];
    if (random() < 0.1 || state.nameOf(0) === undefined) {
      names.push(`name ${state.commitNumber}`);
      state.define(names[0]!);
    }
    const changes: KeyChange[] = [];
    const touched = new Set(
      Array.from({ length: Math.floor(random() * 6) }, () => `key ${Math.floor(random() * keys)}`),
    );
    for (const key of touched) {
      const change = this.someChange(key === 'key 7');
      const wakes = random() < 0.3 ? [{ scope: 1, at: instant(Math.floor(random() * 1000)) }] : [];
      state.table.apply(0, key, change, wakes);
      changes.push({ keyspace: 0, key, change, wakes });
    }
    const outputs: CommitOutput[] = [];
    for (const subject of ['match.r.3', 'dead.shard.3']) {
      if (random() < 0.7) continue;
      const ordinal = state.lastOrdinal(subject) + 1;
      state.setOrdinal(subject, ordinal);
      outputs.push({ subject, ordinal, body: Buffer.from(`${subject} ${ordinal}`) });
    }
    const manifest = this.snapshots.takeManifest();
    const commit: Commit = {
      ...{ incarnation: 'plain', number, opening: false, cursor: state.cursor, processingTime: state.processingTime },
      lanes: [state.lanes.get('a')!],
      clocks: [{ scope: 1, reading: instant(number) }],
      ...{ names, changes, outputs, manifest: manifest?.bytes },
    };
    state.commitNumber = number;
    return { commit, manifest, record };
  }

  private someChange(mayBeLarge: boolean): Buffer {
    const writer = new ByteWriter();
    for (let cell = 0; cell < 3; cell += 1) {
      const kind = this.random();
      if (kind < 0.3) writeCell(writer, 0, cell, undefined);
      else if (kind < 0.7) writeCell(writer, 0, cell, Buffer.alloc(Math.floor(kind * 100), Math.floor(kind * 1e6)));
    }
    // Grows beyond what a message can hold, and small again.
    if (mayBeLarge) writeCell(writer, 0, 9, this.random() < 0.5 ? undefined : Buffer.alloc(3000, 'x'));
    return writer.copy();
  }

  private async append(subject: string): Promise<number> {
    const last = await this.log.last(subject);
    const answer = await this.log.append(subject, last?.sequence ?? 0, Buffer.from('record'));
    if (answer.kind !== 'stored') throw new Error(`a record was ${answer.kind}`);
    return answer.sequence;
  }

  private relaySome(): void {
    for (const [subject, committed] of this.committed) {
      const before = this.relayed.get(subject) ?? 0;
      if (committed > before) this.relayed.set(subject, before + Math.ceil(this.random() * (committed - before)));
    }
  }
}

/** All that a shard remembers, in a form that can be compared. */
export function dump(state: ShardState): unknown {
  const keys = [...state.table.all()].map(({ keyspace, key, wakes, cells }) => [
    keyspace,
    key,
    [...wakes].sort((a, b) => a.scope - b.scope),
    cellTexts(cells),
  ]);
  const { ordinals, ...head } = state.head;
  return {
    ...head,
    commitNumber: state.commitNumber,
    ordinals: [...ordinals].sort(),
    keys: keys.sort((a, b) => (String(a[1]) < String(b[1]) ? -1 : 1)),
    timers: state.table.timersPending,
  };
}

const cellTexts = (packed: Uint8Array): string[] =>
  [...readCells(packed)]
    .map(({ slot, cell, bytes }) => `${slot}.${cell} ${Buffer.from(bytes!).toString('hex')}`)
    .sort();
