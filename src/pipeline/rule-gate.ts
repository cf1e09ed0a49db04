import type { RuleSet } from '../core/rules/rule-set.ts';
import {
  type RuleChanges,
  type RuleVersion,
  ruleChanges,
  runnableVersion,
  type StoredVersion,
  type VersionContent,
} from '../core/rules/rule-version.ts';
import { duration } from '../core/time/units.ts';
import type { RegistryEnd, RuleRegistry } from '../journal/rule-registry.ts';
import type { Clock } from '../ports/clock.ts';
import type { Logger } from '../ports/logger.ts';
import type { NodeMeasures } from '../ports/measures.ts';
import { PortError } from '../ports/port-error.ts';
import { decideRules } from '../supervision/rule-decision.ts';
import type { RuleMarks } from '../supervision/rule-marks.ts';
import type { RuleVersions } from './shard-rules.ts';

/**
 * Under which version of the rules this node runs, and whether it may work at all (protocol.md, T4 and T5).
 *
 *   G1. A version is stored before anything names it.
 *   G2. While a newer version is active, a node with older rules reads no source: it lets its shards work off what lanes
 *       have written, gives everything back and waits. It says so on /readyz, in its log and in a metric.
 *   G3. Rules that come back are a new version, with what they had as their identity: state that is still there stays.
 *   G4. Nodes with newer rules begin to read sources when those with older ones have stopped, or when that takes longer
 *       than `patience`: what stands in records needs no such order, but code of a module runs only where it is.
 */
export class RuleGate implements RuleVersions {
  private readonly options: RuleGateOptions;
  private readonly loaded = new Map<number, RuleVersion>();
  private seen = -1;
  private end: RegistryEnd | undefined;
  private activate: boolean;
  private runs: { readonly number: number; readonly since: number } | undefined;
  private everRan = false;
  private unusedSince: number | undefined;
  private stopped = false;
  private cancel: () => void = () => undefined;
  private said: string | undefined;
  private fault: string | undefined;

  constructor(options: RuleGateOptions) {
    this.options = options;
    this.activate = options.activate;
  }

  start(): void {
    void this.check();
  }

  async stop(): Promise<void> {
    this.stopped = true;
    this.cancel();
    // Without waiting for a look under way: NATS may be out of reach.
    await this.options.marks.remove();
  }

  /** Number of the version that this node runs; undefined while it may not work. */
  get number(): number | undefined {
    return this.runs?.number;
  }

  /** Why the node does not work; undefined when it does. */
  get trouble(): string | undefined {
    if (this.fault !== undefined) return this.fault;
    if (this.runs !== undefined) return undefined;
    return this.said ?? 'the node is finding out which rules are active';
  }

  /** Whether lanes may be begun (G4). */
  get mayRead(): boolean {
    const { clock, patience, marks } = this.options;
    if (this.runs === undefined) return false;
    return clock.monotonic() - this.runs.since > patience || !marks.olderReads(this.runs.number);
  }

  /** @throws {RuleVersionMissing} */
  async load(number: number): Promise<RuleVersion> {
    let version = this.loaded.get(number);
    if (version !== undefined) return version;
    const { registry, rules } = this.options;
    version = runnableVersion(await registry.version(number), rules);
    this.loaded.set(number, version);
    return version;
  }

  private async check(): Promise<void> {
    const { clock, heartbeat, logger } = this.options;
    try {
      await this.look();
      this.fault = undefined;
    } catch (error) {
      if (this.stopped) return;
      const { code } = error as { code?: unknown };
      if (error instanceof RulesIncompatible) {
        this.fault = error.message;
        this.options.refused(error);
        return;
      }
      // While NATS cannot be reached nothing changes; the leases say so.
      if (!(error instanceof PortError && error.code === 'UNAVAILABLE')) {
        const message = error instanceof Error ? error.message : String(error);
        if (this.fault !== message) logger.error({ code }, message);
        this.fault = message;
      }
    }
    if (this.stopped) return;
    this.cancel = clock.after(duration(heartbeat), () => {
      void this.check();
    });
  }

  private async look(): Promise<void> {
    const { registry, marks, measures, content } = this.options;
    const reached = await registry.reached();
    if (reached !== this.seen || this.end === undefined) {
      this.end = await registry.read();
      this.seen = reached;
    }
    if (this.stopped) return;
    const { newest } = this.end;
    measures.rulesActive = newest?.number ?? 0;
    const situation = { own: content.hash, newest, earlier: newest?.earlier.map(({ hash }) => hash) ?? [] };
    const patienceMs = this.options.patience * (this.everRan ? AFTER_WORK : 1);
    const decision = decideRules({
      ...situation,
      activate: this.activate,
      unusedMs: this.unusedMs(newest),
      patienceMs,
    });
    switch (decision.kind) {
      case 'run':
        this.run(decision.number);
        break;
      case 'register':
        await this.register(this.end);
        return;
      case 'wait':
        await this.wait(decision.active);
    }
    const own = [newest, ...(newest?.earlier ?? [])].filter((one) => one?.hash === content.hash);
    const number = this.runs?.number ?? Math.max(0, ...own.map((one) => one!.number));
    await marks.put({ number, waits: this.runs === undefined });
  }

  /** For how long nobody was seen to run the newest version. */
  private unusedMs(newest: StoredVersion | undefined): number {
    const { clock, marks } = this.options;
    if (newest === undefined || !marks.areKnown || marks.someoneRuns(newest.number)) {
      this.unusedSince = undefined;
      return 0;
    }
    this.unusedSince ??= clock.monotonic();
    return clock.monotonic() - this.unusedSince;
  }

  private run(number: number): void {
    const { logger, measures, clock, began } = this.options;
    if (this.runs?.number === number) return;
    const before = this.runs;
    this.runs = { number, since: clock.monotonic() };
    this.everRan = true;
    // What comes back later comes back by itself, not because it was once said.
    this.activate = false;
    measures.rulesOwn = number;
    this.said = undefined;
    logger.info({ rules: number, before: before?.number }, `runs version ${number} of the rules`);
    began();
  }

  private async register(end: RegistryEnd): Promise<void> {
    const { registry, content, logger } = this.options;
    if (this.options.requireCompatible && end.newest !== undefined) refuseLosses(ruleChanges(end.newest, content));
    const answer = await registry.append(content, end);
    if (answer === 'stored') {
      const number = (end.newest?.number ?? 0) + 1;
      logger.info({ rules: number, ...ruleChanges(end.newest, content) }, `stored version ${number} of the rules`);
    }
    // Stored, refused or unknown: what is at the end now says which version is active.
    this.seen = -1;
    if (answer !== 'unknown') await this.look();
  }

  private async wait(active: number): Promise<void> {
    const { logger, measures, overtaken } = this.options;
    const message = `waits: newer rules are active (version ${active}), and this node was given older ones`;
    if (this.said !== message) logger.warn({ code: 'RULES_OVERTAKEN', active }, message);
    this.said = message;
    this.runs = undefined;
    measures.rulesOwn = 0;
    overtaken();
  }
}

/** A node that worked under a version before gives the newer one so many times longer to come back after a failure. */
const AFTER_WORK = 3;

/** The node's rules would cost others their state, and it was told not to let that happen. */
export class RulesIncompatible extends Error {
  readonly code = 'RULES_INCOMPATIBLE';
  readonly retry = 'never';
}

function refuseLosses({ edited, removed }: RuleChanges): void {
  if (edited.length + removed.length === 0) return;
  const parts = [
    ...(edited.length === 0 ? [] : [`edited: ${edited.join(', ')}`]),
    ...(removed.length === 0 ? [] : [`removed: ${removed.join(', ')}`]),
  ];
  throw new RulesIncompatible(
    `these rules would lose the state they have (${parts.join('; ')}). Give them as they were, add edited ones under new ` +
      'names, or start without --require-compatible. See docs/errors.md#rules_incompatible.',
  );
}

export interface RuleGateOptions {
  readonly registry: RuleRegistry;
  readonly marks: RuleMarks;
  /** This node's rules. */
  readonly rules: RuleSet;
  readonly content: VersionContent;
  /** Whether they are to be the newest version, also when they are an older one. */
  readonly activate: boolean;
  /** After how long without a node that runs the newest version an older one may come back, in ms. */
  readonly patience: number;
  readonly heartbeat: number;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly measures: NodeMeasures;
  /** Whether the node's rules may not take the place of others that would lose state by it. */
  readonly requireCompatible: boolean;
  /** That is so: the node must end. */
  readonly refused: (error: RulesIncompatible) => void;
  /** The node may work now, or does so under another number. */
  readonly began: () => void;
  /** The node may not work; told again as long as that is so. */
  readonly overtaken: () => void;
}
