import type { CommitOutput, OutputName } from '../core/shards/commit.ts';
import { isForward, ORDINAL_HEADER } from '../core/shards/subjects.ts';
import type { Clock } from '../ports/clock.ts';
import type { FencedLog } from '../ports/log.ts';
import type { NodeMeasures } from '../ports/measures.ts';
import { noteAppend } from '../ports/note-append.ts';
import { observeSeconds } from '../ports/observe-seconds.ts';
import { backoff, pause } from '../ports/pause.ts';

/**
 * Brings a shard's matches, side outputs and dead letters to their streams (protocol.md §4).
 *
 *   M1. Only outputs of acknowledged commits are given to it; one is in flight per subject, subjects go in parallel.
 *   M2. Before the first one of a subject it reads the subject's end: outputs up to the ordinal found there are stored
 *       already, whoever stored them.
 *   M3. After a refused or unknown append it forgets the end and reads it again.
 */
export class Relay {
  private readonly ports: RelayPorts;
  private readonly subjectOf: (output: string) => string;
  private readonly queues = new Map<string, SubjectQueue>();
  private waiting = 0;
  private bytes = 0;
  private stopped = false;
  private progressed: (() => void)[] = [];

  /** @param subjectOf the full subject of an output name */
  constructor(ports: RelayPorts, subjectOf: (output: string) => string) {
    this.ports = ports;
    this.subjectOf = subjectOf;
  }

  /** Bytes of the outputs not known to be stored yet. */
  get backlogBytes(): number {
    return this.bytes;
  }

  /** Outputs not known to be stored yet. */
  get backlog(): number {
    return this.waiting;
  }

  /** Takes the outputs of one commit, in order; forwards have their own way. */
  add(outputs: readonly CommitOutput[]): void {
    for (const output of outputs) {
      if (isForward(output.subject)) continue;
      let queue = this.queues.get(output.subject);
      if (queue === undefined) {
        const subject = this.subjectOf(output.subject);
        queue = { subject, outputs: [], head: 0, done: 0, end: undefined, running: false };
        this.queues.set(output.subject, queue);
      }
      queue.outputs.push(output);
      this.waiting += 1;
      this.bytes += output.body.length;
      if (!queue.running) this.run(queue).catch(this.ports.failed);
    }
  }

  /** Whether an output that was added is known to be stored. */
  isRelayed({ subject, ordinal }: OutputName): boolean {
    return (this.queues.get(subject)?.done ?? 0) >= ordinal;
  }

  /** Resolves when no more than `count` outputs of `bytes` together are waiting, or the relay was stopped. */
  async below(count: number, bytes = Number.POSITIVE_INFINITY): Promise<void> {
    while ((this.waiting > count || this.bytes > bytes) && !this.stopped)
      await new Promise<void>((resolve) => this.progressed.push(resolve));
  }

  /** Gives up on what waits; the next owner finds it in the journal. */
  stop(): void {
    this.stopped = true;
    this.progress();
  }

  private async run(queue: SubjectQueue): Promise<void> {
    queue.running = true;
    let attempt = 0;
    while (queue.head < queue.outputs.length && !this.stopped) {
      queue.end ??= await this.endOf(queue.subject);
      if (this.stopped) break;
      const next = queue.outputs[queue.head]!;
      if (next.ordinal <= queue.end.ordinal) {
        this.done(queue);
        continue;
      }
      const started = this.ports.clock.monotonic();
      const headers = { [ORDINAL_HEADER]: String(next.ordinal), 'content-type': contentType(next.subject) };
      const answer = await this.ports.log.append(queue.subject, queue.end.sequence, next.body, headers);
      noteAppend(this.ports.measures, answer);
      if (answer.kind === 'stored') {
        queue.end = { sequence: answer.sequence, ordinal: next.ordinal };
        attempt = 0;
        observeSeconds(this.ports.measures.relaySeconds, (this.ports.clock.monotonic() - started) / 1000);
        this.done(queue);
        continue;
      }
      queue.end = undefined;
      if (answer.kind === 'unknown') await pause(this.ports.clock, backoff(attempt++));
    }
    queue.running = false;
  }

  private done(queue: SubjectQueue): void {
    const output = queue.outputs[queue.head]!;
    queue.done = output.ordinal;
    queue.head += 1;
    // What is done is let go of in large pieces: taking off the first of very many costs as much as there are.
    if (queue.head === queue.outputs.length || queue.head >= 1024) queue.outputs.splice(0, queue.head);
    if (queue.outputs.length === 0 || queue.head >= 1024) queue.head = 0;
    this.waiting -= 1;
    this.bytes -= output.body.length;
    this.ports.stored(output);
    this.progress();
  }

  private progress(): void {
    const waiters = this.progressed;
    if (waiters.length === 0) return;
    this.progressed = [];
    for (const resolve of waiters) resolve();
  }

  private async endOf(subject: string): Promise<{ sequence: number; ordinal: number }> {
    const last = await this.ports.log.last(subject);
    if (last === undefined) return { sequence: 0, ordinal: 0 };
    const ordinal = Number(last.headers?.[ORDINAL_HEADER]);
    if (Number.isInteger(ordinal) && ordinal > 0) return { sequence: last.sequence, ordinal };
    throw new ForeignOutput(subject, last.sequence);
  }
}

const contentType = (output: string): string =>
  output.startsWith('dead.') ? 'application/json' : 'application/cloudevents+json';

interface SubjectQueue {
  readonly subject: string;
  readonly outputs: CommitOutput[];
  /** Those before it are done. */
  head: number;
  /** Ordinal of the last one done. */
  done: number;
  /** What is known of the subject's end; undefined when it must be read. */
  end: { sequence: number; ordinal: number } | undefined;
  running: boolean;
}

export interface RelayPorts {
  readonly log: FencedLog;
  readonly clock: Clock;
  readonly measures: NodeMeasures;
  /** Called for each output that is known to be stored. */
  readonly stored: (output: CommitOutput) => void;
  /** Called when the relay cannot go on. */
  readonly failed: (error: unknown) => void;
}

/** Someone else wrote to a subject that only Corral may write. */
export class ForeignOutput extends Error {
  readonly code = 'FOREIGN_OUTPUT';
  constructor(subject: string, sequence: number) {
    super(
      `${subject}: message ${sequence} has no ordinal, so it was not written by Corral, and which outputs are stored cannot be told. ` +
        'Remove it, or purge the subject up to it. See docs/errors.md#foreign_output.',
    );
  }
}
