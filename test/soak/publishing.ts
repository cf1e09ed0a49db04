import { setTimeout as sleep } from 'node:timers/promises';
import { headers } from 'nats';
import type { NatsLink } from '../../src/nats/link.ts';
import { parsePubAck } from '../../src/nats/pub-ack.ts';
import type { SeededRandom } from '../simulation/random.ts';
import type { SoakEvent } from './events-read.ts';
import { type SourceName, subjectOf } from './rules.ts';

export interface PublishingOptions {
  readonly link: NatsLink;
  readonly source: SourceName;
  readonly random: SeededRandom;
  /** Events a second, made in steady steps; while the server is away none are made. */
  readonly rate: number;
  /** Events in one message. */
  readonly packed: number;
  readonly keys: number;
}

/** A message in so many is no event. */
const GARBAGE_IN = 2000;
const STEP_MS = 20;
/** What is behind after a hold-up is left out beyond this, as a publisher that waits would. */
const CATCH_UP_MS = 1000;

const TYPES: Readonly<Record<SourceName, readonly SoakEvent['type'][]>> = {
  orders: ['Open', 'Try', 'Try', 'Close', 'Noise', 'Noise'],
  payments: ['Paid', 'Paid', 'Noise', 'Noise'],
};

/** Publishes one source's events at a steady rate, each numbered, each sent until it is acknowledged. */
export class Publishing {
  /** The last number that was acknowledged; so were all before it. */
  acknowledged = 0;
  /** Sends that had no answer, or were refused, and were made again. */
  repeats = 0;
  private readonly options: PublishingOptions;
  private readonly working: Promise<void>;
  private made = 0;
  private messages = 0;
  private latest = 0;
  private stopped = false;

  constructor(options: PublishingOptions) {
    this.options = options;
    this.working = this.work();
  }

  /** Ends after what is under way; then lets time pass, so that everything is decided. */
  async stop(passMs: number): Promise<void> {
    this.stopped = true;
    await this.working;
    await this.send([JSON.stringify(this.event('Noise', this.latest + passMs))]);
    this.acknowledged = this.made;
  }

  private async work(): Promise<void> {
    const { rate, packed, random } = this.options;
    let from = Date.now();
    while (!this.stopped) {
      await sleep(STEP_MS);
      const now = Date.now();
      if (now - from > CATCH_UP_MS) from = now - CATCH_UP_MS;
      const count = Math.floor(((now - from) * rate) / 1000 / packed) * packed;
      if (count === 0) continue;
      const spacing = 1000 / rate;
      const bodies: string[] = [];
      for (let n = 0; n < count; n += packed) {
        const events = Array.from({ length: packed }, (_, at) =>
          this.event(random.pick(TYPES[this.options.source]), Math.floor(from + (n + at) * spacing)),
        );
        bodies.push(JSON.stringify(packed === 1 ? events[0] : events));
        this.messages += 1;
        if (this.messages % GARBAGE_IN === 0) bodies.push('{"type":"Open","ts":');
      }
      from += count * spacing;
      await this.send(bodies);
      this.acknowledged = this.made;
    }
  }

  private event(type: SoakEvent['type'], ts: number): SoakEvent {
    const { random, keys } = this.options;
    this.made += 1;
    this.latest = Math.max(this.latest, ts);
    return { type, ts: this.latest, k: `k${random.integer(1, keys)}`, n: random.integer(0, 9), i: this.made };
  }

  /** Sends messages together, and those that were not acknowledged again, in their order, until all are. */
  private async send(bodies: readonly string[]): Promise<void> {
    let left = bodies.map((body) => ({ body, id: `${this.options.source} ${(this.sent += 1)}` }));
    for (;;) {
      const stored = await Promise.all(left.map(({ body, id }) => this.sendOne(body, id)));
      left = left.filter((_, at) => !stored[at]);
      if (left.length === 0) return;
      this.repeats += left.length;
      await sleep(100);
    }
  }

  private sent = 0;

  private async sendOne(body: string, id: string): Promise<boolean> {
    const { link, source } = this.options;
    const named = headers();
    named.set('Nats-Msg-Id', id);
    const { data } = await link.request(subjectOf(source), Buffer.from(body), named);
    return data !== undefined && parsePubAck(data).kind === 'stored';
  }
}
