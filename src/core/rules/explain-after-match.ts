import type { AfterMatch } from '../patterns/pattern.ts';
import { overlapping } from './after-match.ts';
import { listed } from './did-you-mean.ts';
import type { StageSource } from './rule-source.ts';
import type { StepEntry } from './step-table.ts';

/** What the strategy means for this pattern, in one sentence, for `check`. */
export function explainAfterMatch(
  afterMatch: AfterMatch,
  stages: readonly StageSource[],
  steps: readonly StepEntry[],
): string {
  const first = listed(firstSteps(stages.slice(0, 1)));
  switch (afterMatch.kind) {
    case 'noSkip': {
      const found = overlapping(stages);
      if (found !== undefined) {
        const names = listed(stepsOf(found.stage), 'and');
        return `Every combination that fits is a match of its own: ${names} ${found.how}, so one ${first} can begin several matches, and events are in many.`;
      }
      return steps.filter(({ bans }) => !bans).length === 1
        ? `Each ${first} can be a match of its own.`
        : `Each ${first} can begin one match, and the events after it can be in several.`;
    }
    case 'skipToNext':
      return `Each ${first} begins at most one match; the events after it can be in several.`;
    case 'skipPastLastEvent':
      return "No event is in two matches: the search goes on after a match's last event.";
    case 'skipToFirst':
    case 'skipToLast': {
      const { content, stage } = steps[afterMatch.step]!;
      const which = afterMatch.kind === 'skipToFirst' ? 'first' : 'last';
      const optional = stage.optional || stage.times?.min === 0;
      const missed = optional ? `; a match without \`${content.name}\` skips nothing` : '';
      const thrown = optional && afterMatch.throwOnMiss ? `; a match without \`${content.name}\` is an error` : missed;
      return `The next match begins at the ${which} \`${content.name}\` of a match or later: what began before it goes no further${thrown}.`;
    }
  }
}

/** Names of the steps that the first event of a match can belong to. */
function firstSteps(stages: readonly StageSource[]): readonly string[] {
  const [stage] = stages;
  if (stage === undefined) return [];
  const { content } = stage;
  switch (content.kind) {
    case 'step':
      return [content.name];
    case 'group':
      return firstSteps(content.stages);
    case 'anyOf':
      return content.alternatives.flatMap(firstSteps);
    case 'allOf':
      return content.members.flatMap((member) => firstSteps([member]));
  }
}

/** Names of all steps in a stage. */
function stepsOf({ content }: StageSource): readonly string[] {
  switch (content.kind) {
    case 'step':
      return [content.name];
    case 'group':
      return content.stages.flatMap(stepsOf);
    case 'anyOf':
      return content.alternatives.flat().flatMap(stepsOf);
    case 'allOf':
      return content.members.flatMap(stepsOf);
  }
}
