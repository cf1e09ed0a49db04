import type { NotStage, Stage } from './pattern.ts';

/** A `notFollowedBy`: it holds until the next event is taken, where a `notNext` judges one event only. */
export function isBan(stage: Stage): stage is NotStage {
  return stage.kind === 'not' && stage.contiguity === 'relaxed';
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
  return stages.flatMap((stage) => {
    switch (stage.kind) {
      case 'step':
      case 'not':
        return [stage.step];
      case 'group':
        return stepsWithin(stage.stages);
      case 'anyOf':
        return stage.alternatives.flatMap(stepsWithin);
      case 'allOf':
        return stage.members.map((member) => member.step);
    }
  });
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
