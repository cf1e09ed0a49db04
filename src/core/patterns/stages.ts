import type { NotStage, Pattern, Quantifier, Stage } from './pattern.ts';

/** A `notFollowedBy`: it holds until the next event is taken, where a `notNext` judges one event only. */
export function isBan(stage: Stage): stage is NotStage {
  return stage.kind === 'not' && stage.contiguity === 'relaxed';
}

/** True when a ban stands before the stage at `at`, with nothing but optional stages between. */
export function isAfterBan(stages: readonly Stage[], at: number): boolean {
  const before = stages.slice(0, at).findLast((stage) => !('quantifier' in stage && stage.quantifier.optional));
  return before !== undefined && isBan(before);
}

/** True when the stage can be passed without taking an event. */
export function canBeEmpty(stage: Stage): boolean {
  switch (stage.kind) {
    case 'step':
      return stage.quantifier.optional;
    case 'group':
      return stage.quantifier.optional || stage.stages.every(canBeEmpty);
    case 'not':
      return true;
    case 'anyOf':
      return stage.alternatives.some((alternative) => alternative.every(canBeEmpty));
    case 'allOf':
      return stage.members.every(canBeEmpty);
  }
}

/** Indexes of all steps in the stages, in order of appearance, bans included. */
export function stepsWithin(stages: readonly Stage[]): number[] {
  const steps: number[] = [];
  for (const stage of allStages(stages)) if (stage.kind === 'step' || stage.kind === 'not') steps.push(stage.step);
  return steps;
}

/** Every stage with what is inside it, outermost first. */
export function* allStages(stages: readonly Stage[]): Generator<Stage> {
  for (const stage of stages) {
    yield stage;
    if (stage.kind === 'group') yield* allStages(stage.stages);
    if (stage.kind === 'anyOf') for (const alternative of stage.alternatives) yield* allStages(alternative);
    if (stage.kind === 'allOf') yield* stage.members;
  }
}

/** About how many states the stages become. */
export function sizeOfAll(stages: readonly Stage[]): number {
  return stages.reduce((sum, stage) => sum + sizeOf(stage), 0);
}

function sizeOf(stage: Stage): number {
  switch (stage.kind) {
    case 'step':
      return positions(stage.quantifier);
    case 'group':
      return positions(stage.quantifier) * sizeOfAll(stage.stages);
    case 'not':
      return 1;
    case 'anyOf':
      return stage.alternatives.reduce((sum, alternative) => sum + sizeOfAll(alternative), 1);
    case 'allOf':
      return 2 ** stage.members.length;
  }
}

function positions({ min, max }: Quantifier): number {
  return max === Number.POSITIVE_INFINITY ? min + 1 : max;
}

/** How a problem names a stage: by its step, or by the steps inside in parentheses. */
export function nameOf(pattern: Pattern, stage: Stage): string {
  const names = stepsWithin([stage]).map((step) => pattern.steps[step] ?? `step ${step}`);
  return stage.kind === 'step' || stage.kind === 'not' ? names[0]! : `(${names.join(' ')})`;
}
