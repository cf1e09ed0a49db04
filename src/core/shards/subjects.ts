/** Names of a deployment's subjects, all under its prefix (design.md §1). Outputs are named without the prefix. */
export function subjects(prefix: string) {
  return {
    shardLog: (shard: number, lane: string) => `${prefix}.shard.${shard}.${lane}`,
    shardLogOfAllLanes: (shard: number) => `${prefix}.shard.${shard}.*`,
    laneStart: (lane: string) => `${prefix}.lane.${lane}`,
    laneClock: (lane: string) => `${prefix}.lane.${lane}.clock`,
    journal: (shard: number) => `${prefix}.journal.${shard}`,
    laneDead: (lane: string) => `${prefix}.dead.lane.${lane}`,
    output: (name: string) => `${prefix}.${name}`,
    allMatches: `${prefix}.match.>`,
    allSides: `${prefix}.side.>`,
    allDead: `${prefix}.dead.>`,
  };
}

export type Subjects = ReturnType<typeof subjects>;

/** Outputs of a shard, without the prefix. */
export const matchOutput = (rule: string, shard: number): string => `match.${rule}.${shard}`;
export const sideOutput = (rule: string, side: string, shard: number): string => `side.${rule}.${side}.${shard}`;
export const deadOutput = (shard: number): string => `dead.shard.${shard}`;
