import type { Ports } from '../../src/corral.ts';
import type { Lease, LeaseStore, LeaseWritten } from '../../src/ports/lease-store.ts';
import type { Appended, EventSource, FencedLog, LogMessage, LogReader } from '../../src/ports/log.ts';
import type { Logger } from '../../src/ports/logger.ts';
import type { Life } from './life.ts';
import type { SubjectKind } from './sites.ts';

/** The ports of one life of a node: the shared store behind the life's own simulated network. */
export function portsOf(life: Life): Ports {
  const { store, random } = life.world;
  return {
    sources: new Map([...store.sources].map(([name, source]) => [name, new RemoteSource(life, name, source)])),
    log: new RemoteLog(life),
    leases: new RemoteLeases(life),
    clock: life,
    random: random.fork(),
    logger: loggerOf(life),
  };
}

class RemoteLog implements FencedLog {
  readonly bodyMax: number;
  private readonly life: Life;

  constructor(life: Life) {
    this.life = life;
    this.bodyMax = life.world.store.log.bodyMax;
  }

  append(
    subject: string,
    expected: number,
    body: Uint8Array,
    headers?: Readonly<Record<string, string>>,
  ): Promise<Appended> {
    // The bytes as they are now: what the caller does to its buffer later does not reach the server.
    const sent = Buffer.from(body);
    return this.life.send<Appended>({
      name: `${kindOf(subject)}.append`,
      detail: `${subject} after ${expected}`,
      act: () => this.life.world.store.append(subject, expected, sent, headers),
      unknown: (cause) => ({ kind: 'unknown', cause }),
    });
  }

  last(subject: string): Promise<LogMessage | undefined> {
    const act = () => this.life.world.store.log.last(subject);
    return this.life.send({ name: `${kindOf(subject)}.last`, detail: subject, act });
  }

  get(subject: string, sequence: number): Promise<LogMessage | undefined> {
    const act = () => this.life.world.store.log.get(subject, sequence);
    return this.life.send({ name: `${kindOf(subject)}.get`, detail: `${subject} ${sequence}`, act });
  }

  read(subject: string, from: number): LogReader {
    return new RemoteReader(this.life, kindOf(subject), subject, this.life.world.store.log.read(subject, from));
  }

  trim(subject: string, sequence: number): Promise<void> {
    const act = () => this.life.world.store.trim(subject, sequence);
    return this.life.send({ name: `${kindOf(subject)}.trim`, detail: `${subject} ${sequence}`, act });
  }

  facts(subject: string) {
    const act = () => this.life.world.store.log.facts(subject);
    return this.life.send({ name: `${kindOf(subject)}.facts`, detail: subject, act });
  }
}

/** A reader whose answers come in pieces of any size, as a server sends them. */
class RemoteReader implements LogReader {
  private readonly life: Life;
  private readonly kind: string;
  private readonly detail: string;
  private readonly inner: LogReader;
  /** Read from the store and not given out yet. */
  private readonly held: LogMessage[] = [];
  private closed = false;
  /** What the store had beyond the last message given out, when it sent that. */
  pending = 0;

  constructor(life: Life, kind: string, detail: string, inner: LogReader) {
    this.life = life;
    this.kind = kind;
    this.detail = detail;
    this.inner = inner;
  }

  get position(): number {
    return this.held[0]?.sequence ?? this.inner.position ?? 1;
  }

  async next(): Promise<readonly LogMessage[] | undefined> {
    if (this.closed) return undefined;
    const { length, pending } = await this.life.send({
      name: `${this.kind}.next`,
      detail: this.detail,
      act: () => this.fetch(),
    });
    if (this.closed || length === 0) return undefined;
    this.pending = pending;
    return this.held.splice(0, length);
  }

  caughtUp(): Promise<boolean> {
    const act = async () => this.held.length === 0 && (await this.inner.caughtUp?.()) === true;
    return this.life.send({ name: `${this.kind}.caughtUp`, detail: this.detail, act });
  }

  async close(): Promise<void> {
    if (this.closed) return;
    this.closed = true;
    await this.inner.close();
    const act = () => Promise.resolve();
    // Whoever closes need not wait for it; at the end of the run nobody is there to be told.
    await this.life.send({ name: `${this.kind}.close`, detail: this.detail, act }).catch(() => undefined);
  }

  /** How many messages the next answer holds, 0 at the end, and how many the store has beyond them. */
  private async fetch(): Promise<{ length: number; pending: number }> {
    const { random } = this.life.world;
    if (this.held.length === 0) {
      const messages = await this.inner.next();
      if (messages === undefined) return { length: 0, pending: 0 };
      this.held.push(...messages);
    }
    const length = random.chance(0.6) ? this.held.length : random.integer(1, this.held.length);
    return { length, pending: this.held.length - length + (this.inner.pending ?? 0) };
  }
}

class RemoteSource implements EventSource {
  private readonly life: Life;
  private readonly name: string;
  private readonly inner: EventSource;

  constructor(life: Life, name: string, inner: EventSource) {
    this.life = life;
    this.name = name;
    this.inner = inner;
  }

  facts() {
    return this.life.send({ name: 'source.facts', detail: this.name, act: () => this.inner.facts() });
  }

  sequenceAt(time: Parameters<EventSource['sequenceAt']>[0]): Promise<number> {
    const act = () => this.inner.sequenceAt(time);
    return this.life.send({ name: 'source.sequenceAt', detail: `${this.name} ${time}`, act });
  }

  read(from: number): LogReader {
    return new RemoteReader(this.life, 'source', `${this.name} from ${from}`, this.inner.read(from));
  }
}

class RemoteLeases implements LeaseStore {
  private readonly life: Life;

  constructor(life: Life) {
    this.life = life;
  }

  list(): Promise<readonly Lease[]> {
    const act = () => this.life.world.store.leases.list();
    return this.life.send({ name: 'lease.list', detail: '', act });
  }

  write(name: string, holder: string, revision: number): Promise<LeaseWritten> {
    return this.life.send<LeaseWritten>({
      name: 'lease.write',
      detail: `${name} after ${revision}`,
      act: () => this.life.world.store.leases.write(name, holder, revision),
      unknown: (cause) => ({ kind: 'unknown', cause }),
    });
  }

  release(name: string, revision: number): Promise<void> {
    const act = () => this.life.world.store.leases.release(name, revision);
    return this.life.send({ name: 'lease.release', detail: `${name} ${revision}`, act });
  }
}

function loggerOf(life: Life): Logger {
  const write = (level: string) => (fields: object, message: string) =>
    life.note(`${level}: ${message} ${JSON.stringify(fields)}`);
  return { debug: () => undefined, info: write('info'), warn: write('warn'), error: write('error') };
}

function kindOf(subject: string): SubjectKind {
  const [, kind, second] = subject.split('.');
  switch (kind) {
    case 'shard':
      return 'shardLog';
    case 'lane':
      if (subject.endsWith('.letters')) return 'laneLetters';
      return subject.endsWith('.clock') ? 'laneClock' : 'laneStart';
    case 'journal':
    case 'page':
    case 'match':
    case 'side':
    case 'chain':
      return kind;
    case 'dead':
      return second === 'lane' ? 'laneDead' : 'shardDead';
  }
  throw new Error(`the simulation has no name for faults at ${subject}`);
}
