import type { RuleSet } from '../core/rules/rule-set.ts';
import type { Measures, NodeMeasures, RuleMeasures, SourceMeasures } from '../ports/measures.ts';
import { secondsHistogram } from '../ports/observe-seconds.ts';

/** All counts at zero, one set per source and rule of the settings. */
export function createMeasures(settings: {
  sources: readonly { name: string }[];
  rules: RuleSet;
  references?: readonly { name: string }[];
}): Measures {
  return {
    node: nodeMeasures(),
    sources: new Map(settings.sources.map(({ name }) => [name, sourceMeasures()])),
    rules: new Map(settings.rules.rules.map(({ name }) => [name, ruleMeasures()])),
    references: new Map((settings.references ?? []).map(({ name }) => [name, { entries: 0, bytes: 0, refused: 0 }])),
  };
}

function sourceMeasures(): SourceMeasures {
  return {
    messagesIn: 0,
    bytesIn: 0,
    eventsIn: 0,
    eventsRouted: 0,
    eventsExcluded: 0,
    expressionsFailed: 0,
    eventsWithoutKey: 0,
    deadLetters: new Map(),
    streamChanges: new Map(),
    messagesMissed: 0,
    pending: 0,
    watermarkMs: Number.NEGATIVE_INFINITY,
    publishersForgotten: 0,
    laneOwned: 0,
    backlogBytes: 0,
  };
}

/** Counts of one rule at zero. */
export function ruleMeasures(): RuleMeasures {
  return {
    matches: 0,
    sideOutputs: new Map(),
    late: 0,
    failures: 0,
    parked: 0,
    expressionsFailed: 0,
    forwards: new Map(),
    heldBack: new Map(),
    limitsReached: new Map(),
  };
}

function nodeMeasures(): NodeMeasures {
  return {
    appends: { stored: 0, refused: 0, unknown: 0 },
    appendsUnknown: { disconnected: 0, noAnswer: 0, nobody: 0, full: 0, other: 0 },
    relayBacklogBytes: 0,
    batches: 0,
    batchEvents: 0,
    eventsCommitted: 0,
    commits: 0,
    commitBytes: 0,
    commitSeconds: secondsHistogram(),
    relaySeconds: secondsHistogram(),
    recoverySeconds: secondsHistogram(),
    snapshots: 0,
    snapshotBytes: 0,
    snapshotSeconds: secondsHistogram(),
    journalTailBytes: 0,
    recoveries: 0,
    actorsSpawned: 0,
    actorsPassivated: 0,
    actorsFailed: 0,
    actorsActive: 0,
    keys: 0,
    stateBytes: 0,
    shardsOwned: 0,
    shardsCareful: 0,
    timersPending: 0,
    timersFired: 0,
    leaseRenewals: 0,
    forwardsWaiting: 0,
    busySeconds: { decode: 0, append: 0, read: 0, turn: 0, commit: 0 },
    ruleStateDroppedKeys: 0,
    ruleEventsUnseen: 0,
    rulesOwn: 0,
    rulesActive: 0,
    backpressuredSeconds: 0,
  };
}
