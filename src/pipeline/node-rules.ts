import { comesInOrder, type SourceSettings } from '../core/events/source-settings.ts';
import type { PatternLimits } from '../core/patterns/pattern.ts';
import type { RuleDocument } from '../core/rules/document.ts';
import type { RuleSet } from '../core/rules/rule-set.ts';
import { unstoredVersion, versionContent } from '../core/rules/rule-version.ts';
import { RuleRegistry } from '../journal/rule-registry.ts';
import type { Clock } from '../ports/clock.ts';
import type { LeaseStore } from '../ports/lease-store.ts';
import type { FencedLog } from '../ports/log.ts';
import type { Logger } from '../ports/logger.ts';
import type { NodeMeasures } from '../ports/measures.ts';
import { RuleMarks, type SeenLeases } from '../supervision/rule-marks.ts';
import { RuleGate, type RuleGateOptions } from './rule-gate.ts';
import type { RuleVersions } from './shard-rules.ts';

/** How a node's rules become a numbered version of the deployment's. */
export interface RegistrySettings {
  /** What the rules were compiled from: stored, so that nodes with other rules can run them where they must. */
  readonly documents: readonly RuleDocument[];
  /** What they were compiled with. */
  readonly limits: PatternLimits;
  /** They are to be active, also when they are an older version. Default false. */
  readonly activate?: boolean;
  /** The node does not start when its rules would lose state that others have. Default false. */
  readonly requireCompatible?: boolean;
}

/** The rules of a node: those it was given, and whatever versions of them it meets. */
export interface NodeRules extends RuleVersions {
  /** Number of the version that it runs; undefined while it may not work. */
  readonly number: number | undefined;
  /** Whether its lanes may be begun. */
  readonly mayRead: boolean;
  /** Why it does not work; undefined when it does. */
  readonly trouble: string | undefined;
  start(): void;
  stop(): Promise<void>;
}

interface NodeRulesOptions extends Pick<RuleGateOptions, 'began' | 'overtaken' | 'refused'> {
  readonly rules: RuleSet;
  readonly sources: readonly SourceSettings[];
  /** Absent: the rules are version 1 and never change, as in a run over files. */
  readonly registry: RegistrySettings | undefined;
  /** The subject of versions. */
  readonly subject: string;
  readonly node: string;
  readonly heartbeat: number;
  readonly leaseTtl: number;
  readonly ports: {
    readonly log: FencedLog;
    readonly leases: LeaseStore;
    readonly clock: Clock;
    readonly logger: Logger;
  };
  readonly measures: NodeMeasures;
  readonly seen: () => SeenLeases;
}

export function nodeRules(options: NodeRulesOptions): NodeRules {
  const { rules, sources, registry, ports, measures } = options;
  const known = sources.map((source) => ({
    name: source.name,
    inOrder: comesInOrder(source),
    settings: source.meaning ?? '',
  }));
  if (registry === undefined) {
    const inOrder = new Set(known.flatMap((source) => (source.inOrder ? [source.name] : [])));
    measures.rulesOwn = ONLY;
    measures.rulesActive = ONLY;
    const version = unstoredVersion(rules, ONLY, inOrder);
    const load = () => Promise.resolve(version);
    return {
      number: ONLY,
      mayRead: true,
      trouble: undefined,
      start: () => undefined,
      stop: async () => undefined,
      load,
    };
  }
  const { began, overtaken, refused, heartbeat, leaseTtl, node, subject, seen } = options;
  return new RuleGate({
    registry: new RuleRegistry(ports.log, subject),
    marks: new RuleMarks(ports.leases, node, seen),
    rules,
    content: versionContent(rules, registry.documents, known, registry.limits),
    activate: registry.activate === true,
    requireCompatible: registry.requireCompatible === true,
    patience: PATIENCE * leaseTtl,
    ...{ heartbeat, clock: ports.clock, logger: ports.logger, measures, began, overtaken, refused },
  });
}

/** So many times the life of a lease a node that died has to come back before older rules may take its place. */
const PATIENCE = 3;

/** Rules that never change are one version. */
const ONLY = 1;
