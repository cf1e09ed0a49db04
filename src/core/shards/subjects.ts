/** Names of a deployment's subjects, all under its prefix (design.md §1). Outputs are named without the prefix. */
export function subjects(prefix: string) {
  return {
    shardLog: (shard: number, lane: string) => `${prefix}.shard.${shard}.${lane}`,
    shardLogOfAllLanes: (shard: number) => `${prefix}.shard.${shard}.*`,
    laneStart: (lane: string) => `${prefix}.lane.${lane}`,
    laneLetters: (lane: string) => `${prefix}.lane.${lane}.letters`,
    laneClock: (lane: string) => `${prefix}.lane.${lane}.clock`,
    journal: (shard: number) => `${prefix}.journal.${shard}`,
    /** How far the matches of a shard have been forwarded: one message. */
    forwarded: (shard: number) => `${prefix}.journal.${shard}.forwarded`,
    page: (shard: number, page: number) => `${prefix}.page.${shard}.${page}`,
    laneDead: (lane: string) => `${prefix}.dead.lane.${lane}`,
    chainOf: (rule: string) => `${prefix}.chain.${rule}.*`,
    /** The versions of the rules, one after another. */
    ruleVersions: `${prefix}.rules.versions`,
    output: (name: string) => `${prefix}.${name}`,
    allMatches: `${prefix}.match.>`,
    allSides: `${prefix}.side.>`,
    allDead: `${prefix}.dead.>`,
    /** What was decided about a dead letter of a source: its one message. A letter that names no source has `~` there. */
    decision: (source: string, deadLetter: string) => `${prefix}.replay.${source || '~'}.${deadLetter}`,
    decisionsOf: (source: string) => `${prefix}.replay.${source}.>`,
    allDecisions: `${prefix}.replay.>`,
  };
}

export type Subjects = ReturnType<typeof subjects>;

/**
 * The lane that reads what is replayed of a source. No source can have this name, and no rule's clock waits for it.
 */
export const replayLane = (source: string): string => `${source}${REPLAY}`;

/** The source whose replays a lane reads; undefined for the lane of a source itself. */
export const replayedSource = (lane: string): string | undefined =>
  lane.endsWith(REPLAY) ? lane.slice(0, -REPLAY.length) : undefined;

const REPLAY = '~replay';

/** The lane of a reference. No source can have this name. */
export const referenceLane = (reference: string): string => `${REFERENCE}${reference}`;

/** Whether a lane brings entries of a reference, not events. */
export const isReferenceLane = (lane: string): boolean => lane.startsWith(REFERENCE);

const REFERENCE = 'reference:';

/** Header with the number of a match, side output or dead letter within its subject. */
export const ORDINAL_HEADER = 'corral-ordinal';

/** Outputs of a shard, without the prefix. */
export const matchOutput = (rule: string, shard: number): string => `match.${rule}.${shard}`;
export const sideOutput = (rule: string, side: string, shard: number): string => `side.${rule}.${side}.${shard}`;
/** The matches of a rule that other rules read, for those. */
export const chainOutput = (rule: string, shard: number): string => `chain.${rule}.${shard}`;
/** References to the matches of a rule that go to a subject of the user's choice as well; never a message's subject. */
export const forwardOutput = (rule: string, shard: number): string => `forward.${rule}.${shard}`;
export const isForward = (output: string): boolean => output.startsWith('forward.');
export const deadOutput = (shard: number): string => `dead.shard.${shard}`;
