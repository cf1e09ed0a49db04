import type { CommitOutput, OutputName } from '../core/shards/commit.ts';
import { decodeForward, decodeForwarded, encodeForwarded, type Forward } from '../core/shards/forward.ts';
import { isForward, matchOutput } from '../core/shards/subjects.ts';
import { duration } from '../core/time/units.ts';
import type { Clock } from '../ports/clock.ts';
import type { FencedLog } from '../ports/log.ts';
import type { Logger } from '../ports/logger.ts';
import type { RuleMeasures } from '../ports/measures.ts';
import type { Outbox } from '../ports/outbox.ts';
import { backoff, pause } from '../ports/pause.ts';

/**
 * Brings matches to the subjects that their rules name with `to` (protocol.md, M7). Others may write there and the
 * subject may vary, so that it cannot be fenced:
 *
 *   E1. A match goes out after it is stored in the match stream, one at a time per rule, in order of ordinals.
 *   E2. What was refused or not answered is sent again, with pauses, until it is taken: nothing is passed over.
 *   E3. How far each rule has come is stored beside the journal soon after, and read by who takes over. What was sent
 *       since then is sent again, with the same id: once in the target within its stream's duplicate window.
 */
export class Forwarder {
  private readonly options: ForwarderOptions;
  private readonly queues = new Map<string, RuleQueue>();
  private readonly upto = new Map<string, number>();
  private recalled: Promise<void> | undefined;
  private expected = 0;
  private moved = false;
  private storing: Promise<void> | undefined;
  private waiting = 0;
  private bytes = 0;
  private stopped = false;
  private progressed: (() => void)[] = [];

  constructor(options: ForwarderOptions) {
    this.options = options;
  }

  /** Matches not known to be taken yet. */
  get backlog(): number {
    return this.waiting;
  }

  /** Takes the outputs of one commit, in order; those that are no forwards are left alone. */
  add(outputs: readonly CommitOutput[]): void {
    const matches = new Map<string, CommitOutput>();
    for (const output of outputs) {
      if (!isForward(output.subject)) {
        matches.set(output.subject, output);
        continue;
      }
      const [, rule = '', shard = ''] = output.subject.split('.');
      const forward = decodeForward(output.body);
      // It stands right behind its match.
      const match = matches.get(matchOutput(rule, Number(shard)));
      if (match === undefined || match.ordinal !== forward.match)
        throw new Error(`${output.subject}: match ${forward.match} is not in its commit`);
      let queue = this.queues.get(rule);
      if (queue === undefined) this.queues.set(rule, (queue = { rule, items: [], done: 0, running: false }));
      queue.items.push({ ordinal: output.ordinal, forward, match });
      this.waiting += 1;
      this.bytes += match.body.length;
      this.begin(queue);
    }
  }

  /** Goes on with what waited for a match to be stored. To be told whenever one is. */
  matchStored(output: CommitOutput): void {
    const [kind, rule = ''] = output.subject.split('.');
    const queue = kind === 'match' ? this.queues.get(rule) : undefined;
    if (queue !== undefined) this.begin(queue);
  }

  /** Whether a forward that was added has been taken. */
  isDone({ subject, ordinal }: OutputName): boolean {
    return (this.queues.get(subject.split('.')[1] ?? '')?.done ?? 0) >= ordinal;
  }

  /** Resolves when no more than `count` matches of `bytes` together wait, or this was stopped. */
  async below(count: number, bytes = Number.POSITIVE_INFINITY): Promise<void> {
    while ((this.waiting > count || this.bytes > bytes) && !this.stopped)
      await new Promise<void>((resolve) => this.progressed.push(resolve));
  }

  /** Gives up on what waits; the next owner finds it in the journal. What was sent is stored once more, not waited for. */
  stop(): void {
    if (this.stopped) return;
    this.stopped = true;
    this.progress();
    this.note();
  }

  /** After `stop`: resolves when how far it came is stored, or that has taken too long. */
  async closed(): Promise<void> {
    const tooLong = pause(this.options.clock, CLOSE_MS);
    await Promise.race([this.storing, tooLong]);
  }

  private begin(queue: RuleQueue): void {
    if (queue.running || this.stopped) return;
    queue.running = true;
    this.run(queue).catch(this.options.failed);
  }

  private async run(queue: RuleQueue): Promise<void> {
    try {
      this.recalled ??= this.recall();
      await this.recalled;
      for (let attempt = 0; !this.stopped; ) {
        const next = queue.items[0];
        if (next === undefined || !this.options.isStored(next.match)) return;
        if (next.ordinal > (this.upto.get(queue.rule) ?? 0)) {
          if (!(await this.send(queue.rule, next))) {
            await pause(this.options.clock, backoff(attempt++));
            continue;
          }
          attempt = 0;
          this.upto.set(queue.rule, next.ordinal);
          this.note();
        }
        queue.items.shift();
        queue.done = next.ordinal;
        this.waiting -= 1;
        this.bytes -= next.match.body.length;
        this.progress();
      }
    } finally {
      // In the same step as the last look: what is told of a match a moment later must begin anew.
      queue.running = false;
    }
  }

  private async send(rule: string, { forward, match }: Item): Promise<boolean> {
    const { outbox, prefix, logger, measuresOf } = this.options;
    const [, , shard] = match.subject.split('.');
    const id = `/${prefix}/${rule}/${shard}/${match.ordinal}`;
    const sent = await outbox.publish(forward.subject, id, match.body, forward.acknowledged);
    const counts = measuresOf(rule)?.forwards;
    const result = sent.kind === 'stored' && sent.duplicate ? 'duplicate' : sent.kind;
    const times = (counts?.get(result) ?? 0) + 1;
    counts?.set(result, times);
    if (sent.kind !== 'failed') return true;
    // The metric counts every one; the log says the first, second, fourth, eighth …
    if (Number.isInteger(Math.log2(times))) {
      const fields = { code: 'TO_NOT_TAKEN', rule, shard, subject: forward.subject, times };
      logger.warn(
        fields,
        `rule ${rule}: ${forward.subject} does not take its matches (${sent.cause}); they wait, and are stored in the ` +
          'match stream. See docs/errors.md#to_not_taken.',
      );
    }
    return false;
  }

  private async recall(): Promise<void> {
    const last = await this.options.log.last(this.options.progressSubject);
    this.expected = last?.sequence ?? 0;
    const told = last === undefined ? [] : decodeForwarded(last.body);
    for (const [rule, ordinal] of told) this.upto.set(rule, Math.max(ordinal, this.upto.get(rule) ?? 0));
  }

  /** Stores how far it is, soon; what is sent meanwhile goes along. */
  private note(): void {
    this.moved = this.upto.size > 0;
    this.storing ??= this.store();
  }

  private async store(): Promise<void> {
    const { log, clock, progressSubject, failed } = this.options;
    try {
      while (this.moved) {
        if (!this.stopped) await pause(clock, duration(NOTE_MS));
        this.moved = false;
        const answer = await log.append(progressSubject, this.expected, encodeForwarded(this.upto));
        if (answer.kind === 'stored') {
          this.expected = answer.sequence;
          await log.trim(progressSubject, answer.sequence);
        } else if (!this.stopped) {
          // A predecessor's late word, or this one's own: either way the next is written after it, and takes nothing back.
          await this.recall();
          this.moved = true;
        }
      }
    } catch (error) {
      if (!this.stopped) failed(error);
    } finally {
      this.storing = undefined;
    }
  }

  private progress(): void {
    const waiters = this.progressed;
    if (waiters.length === 0) return;
    this.progressed = [];
    for (const resolve of waiters) resolve();
  }
}

/** How long after a match was taken at most that is stored. */
const NOTE_MS = 200;
/** How long a stop waits for that. What is not stored is sent again. */
const CLOSE_MS = 1000;

interface Item {
  readonly ordinal: number;
  readonly forward: Forward;
  readonly match: CommitOutput;
}

interface RuleQueue {
  readonly rule: string;
  readonly items: Item[];
  /** Ordinal of the last one done. */
  done: number;
  running: boolean;
}

export interface ForwarderOptions {
  readonly outbox: Outbox;
  readonly log: FencedLog;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly prefix: string;
  /** Where it is stored how far each rule has come. */
  readonly progressSubject: string;
  readonly measuresOf: (rule: string) => RuleMeasures | undefined;
  /** Whether a match is known to be in the match stream. */
  readonly isStored: (match: CommitOutput) => boolean;
  /** Called when it cannot go on. */
  readonly failed: (error: unknown) => void;
}
