import type { Event } from '../events/event.ts';
import type { ByteReader } from '../shards/byte-reader.ts';
import type { ByteWriter } from '../shards/byte-writer.ts';
import type { Aggregate } from './aggregates/aggregate.ts';
import { type Extent, extent } from './aggregates/extent.ts';

/** One accumulator for each aggregate of a set, in its order. */
export type Accs = unknown[];

/** What a window is asked for when `having` or `emit` read it. */
export interface Reading {
  result(aggregate: number): unknown;
  isEstimate(aggregate: number): boolean;
  readonly extent: Extent;
  readonly isEmpty: boolean;
}

/** The aggregates of a rule, with the window's extent as the last one. */
export class AggregateSet {
  readonly all: readonly Aggregate[];
  readonly #extent: number;
  /** Indexes of those whose accumulators grow. */
  readonly #growing: readonly number[];
  readonly #fixedBytes: number;

  constructor(aggregates: readonly Aggregate[]) {
    this.all = [...aggregates, extent];
    this.#extent = aggregates.length;
    this.#growing = this.all.flatMap(({ sizeOf }, index) => (sizeOf === undefined ? [] : [index]));
    this.#fixedBytes = 48 + 32 * this.all.length;
  }

  create(): Accs {
    const { all } = this;
    const accs: Accs = new Array(all.length);
    for (let index = 0; index < all.length; index++) accs[index] = all[index]!.create();
    return accs;
  }

  add(accs: Accs, event: Event): void {
    const { all } = this;
    for (let index = 0; index < all.length; index++) accs[index] = all[index]!.add(accs[index], event);
  }

  /** `from` holds the later events, and stays as it is. */
  merge(into: Accs, from: Accs): void {
    const { all } = this;
    for (let index = 0; index < all.length; index++) into[index] = all[index]!.merge(into[index], from[index]);
  }

  extentOf(accs: Accs): Extent {
    return accs[this.#extent] as Extent;
  }

  /** About how many bytes they take. */
  sizeOf(accs: Accs): number {
    let bytes = this.#fixedBytes;
    for (const index of this.#growing) bytes += this.all[index]!.sizeOf!(accs[index]);
    return bytes;
  }

  write(accs: Accs, writer: ByteWriter): void {
    for (let index = 0; index < accs.length; index++) this.all[index]!.write(accs[index], writer);
  }

  read(reader: ByteReader): Accs {
    return this.all.map((aggregate) => aggregate.read(reader));
  }
}

/** Reads accumulators as they are. */
export class AccsReading implements Reading {
  readonly #set: AggregateSet;
  #accs: Accs = [];

  constructor(set: AggregateSet) {
    this.#set = set;
  }

  of(accs: Accs): this {
    this.#accs = accs;
    return this;
  }

  get extent(): Extent {
    return this.#set.extentOf(this.#accs);
  }

  get isEmpty(): boolean {
    return this.extent.count === 0;
  }

  result(aggregate: number): unknown {
    return this.#set.all[aggregate]!.result(this.#accs[aggregate]);
  }

  isEstimate(aggregate: number): boolean {
    return this.#set.all[aggregate]!.isEstimate?.(this.#accs[aggregate]) === true;
  }
}
