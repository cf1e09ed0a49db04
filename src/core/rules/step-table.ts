import type { Problems } from './document.ts';
import type { ScopeStep } from './expressions/term.ts';
import type { StageSource, StepContent, UseSource } from './rule-source.ts';

/** A step with its place in the pattern: what decides whether an expression elsewhere can know its events. */
export interface StepEntry {
  readonly index: number;
  readonly content: StepContent;
  readonly stage: StageSource;
  /** True when it can hold more than one event: it loops, or a group around it does. */
  readonly many: boolean;
  readonly bans: boolean;
  readonly position: Position;
}

/** Where something stands in a pattern. */
export interface Position {
  /** Number of the step; between two numbers for what stands after one. */
  readonly at: number;
  /** Looping stages around it, itself included. */
  readonly loops: readonly StageSource[];
  /** Which alternative of each `anyOf` around it. */
  readonly branches: ReadonlyMap<StageSource, number>;
  /** Each `allOf` around it: its members come in any order. */
  readonly unordered: readonly StageSource[];
}

export const isLoop = (stage: StageSource): boolean => (stage.times?.max ?? 1) > 1;

export const isBan = (stage: StageSource): boolean => stage.verb === 'notNext' || stage.verb === 'notFollowedBy';

/** The steps of a pattern in order, those inside groups and bans included; names that stand twice are reported. */
export function stepTable(stages: readonly StageSource[], problems: Problems): readonly StepEntry[] {
  const entries: StepEntry[] = [];
  const names = new Map<string, StepEntry>();

  function visit(stage: StageSource, around: Omit<Position, 'at'>): void {
    const inside = isLoop(stage) ? { ...around, loops: [...around.loops, stage] } : around;
    const { content } = stage;
    switch (content.kind) {
      case 'step':
        add(stage, content, inside);
        return;
      case 'group':
        for (const member of content.stages) visit(member, inside);
        return;
      case 'anyOf':
        content.alternatives.forEach((alternative, number) => {
          const branches = new Map(inside.branches).set(stage, number);
          for (const member of alternative) visit(member, { ...inside, branches });
        });
        return;
      case 'allOf':
        for (const member of content.members) visit(member, { ...inside, unordered: [...inside.unordered, stage] });
    }
  }

  function add(stage: StageSource, content: StepContent, around: Omit<Position, 'at'>): void {
    const index = entries.length;
    const entry = {
      index,
      content,
      stage,
      many: around.loops.length > 0,
      bans: isBan(stage),
      position: { ...around, at: index },
    };
    const known = names.get(content.name);
    if (known === undefined) names.set(content.name, entry);
    else {
      const { file, line } = known.content.namePlace;
      const { use } = stage;
      const first = file === content.namePlace.file ? `on line ${line}` : `in ${file}:${line}`;
      problems.add(
        'STEP_NAME_TWICE',
        use?.place ?? content.namePlace,
        use === undefined
          ? `there are two steps \`${content.name}\`, the first ${first}`
          : `this use brings a step \`${content.name}\`, and there is one already, ${first}`,
        use === undefined ? 'give each step its own name' : 'give the use a name of its own with `as:`',
      );
    }
    entries.push(entry);
  }

  for (const stage of stages) visit(stage, { loops: [], branches: new Map(), unordered: [] });
  return entries;
}

/** What functions of modules get by a name: the events of a step, or the one of an alias. */
export interface NamedStep {
  readonly name: string;
  readonly entry: Pick<StepEntry, 'index' | 'many' | 'bans'>;
}

/** A step by the name that it goes by where something is written. */
export interface VisibleStep {
  readonly name: string;
  readonly entry: StepEntry;
}

/** The steps that what is written in `use` can name: all of them in a rule, in a definition those of that use alone. */
export function visibleSteps(entries: readonly StepEntry[], use?: UseSource): readonly VisibleStep[] {
  return entries
    .filter(({ stage }) => use === undefined || isInside(stage.use, use))
    .map((entry) => ({ name: entry.content.name.slice(use?.prefix.length ?? 0), entry }));
}

function isInside(use: UseSource | undefined, outer: UseSource): boolean {
  for (let one = use; one !== undefined; one = one.around) if (one === outer) return true;
  return false;
}

/** Those steps as an expression at `position` may use them; without a position, as `emit` may. */
export function scopeSteps(steps: readonly VisibleStep[], position?: Position): ReadonlyMap<string, ScopeStep> {
  return new Map(
    steps.map(({ name, entry }) => [
      name,
      { index: entry.index, name: entry.content.name, many: entry.many, unusable: unusable(name, entry, position) },
    ]),
  );
}

function unusable(name: string, entry: StepEntry, position: Position | undefined): ScopeStep['unusable'] {
  if (entry.bans) {
    return {
      message: `\`${name}\` is forbidden, not taken, so it has no events`,
      fix: 'name a step that takes events',
    };
  }
  if (position === undefined) return undefined;
  const own = entry.position;
  if (own.loops.some((loop) => position.loops.includes(loop))) return undefined;
  for (const [stage, branch] of own.branches) {
    const other = position.branches.get(stage);
    if (other !== undefined && other !== branch) {
      return {
        message: `\`${name}\` belongs to another alternative, so it never has events here`,
        fix: 'name a step of this alternative, or one before',
      };
    }
  }
  if (own.at === position.at) {
    return {
      message: `\`${name}\` is this step itself, which has taken nothing yet`,
      fix: 'the event that is looked at is `event`',
    };
  }
  if (own.at < position.at || own.unordered.some((stage) => position.unordered.includes(stage))) return undefined;
  return {
    message: `\`${name}\` comes later, so it has no events yet`,
    fix: 'name a step before this one, or move the condition to the later step',
  };
}
