import type { AfterMatch } from '../patterns/pattern.ts';
import { suggestion } from './did-you-mean.ts';
import type { Problems } from './document.ts';
import type { PatternBody, StageSource } from './rule-source.ts';
import { isLoop, type StepEntry } from './step-table.ts';

/** The strategy; a step that it cannot skip to is reported. */
export function compileAfterMatch(body: PatternBody, steps: readonly StepEntry[], problems: Problems): AfterMatch {
  const { afterMatch } = body;
  if (afterMatch === undefined) return { kind: 'noSkip' };
  if (afterMatch.kind !== 'skipToFirst' && afterMatch.kind !== 'skipToLast') return { kind: afterMatch.kind };
  const { kind, step, stepPlace, throwOnMiss } = afterMatch;
  const targets = steps.filter(({ stage, bans }) => !bans && body.stages.includes(stage));
  const target = targets.find(({ content }) => content.name === step);
  if (target !== undefined) {
    if (throwOnMiss && kind === 'skipToFirst' && target.index === 0) {
      problems.add(
        'AFTER_MATCH_STEP',
        stepPlace,
        `\`${step}\` is where every match begins, so skipping to it can only fail`,
        'name a later step, or take `throwOnMiss` out',
      );
    }
    return { kind, step: target.index, throwOnMiss };
  }
  const known = steps.find(({ content }) => content.name === step);
  const why =
    known === undefined
      ? `there is no step \`${step}\``
      : known.bans
        ? `\`${step}\` is forbidden, so no match has its events`
        : `\`${step}\` is inside a group`;
  const names = targets.map(({ content }) => content.name);
  const fix =
    known === undefined
      ? suggestion(step, names, `name one of the steps: ${names.join(', ')}`)
      : `name one of: ${names.join(', ')}`;
  problems.add('AFTER_MATCH_STEP', stepPlace, `\`afterMatch\` cannot skip to \`${step}\`: ${why}`, fix);
  return { kind: 'noSkip' };
}

/** The first stage that makes several matches of the same events possible, and how; undefined when there is none. */
export function overlapping(
  stages: readonly StageSource[],
): { readonly stage: StageSource; readonly how: string } | undefined {
  for (const stage of stages) {
    if (isLoop(stage)) return { stage, how: 'takes several events' };
    if (stage.optional || stage.times?.min === 0) return { stage, how: 'is optional' };
    if (stage.verb === 'followedByAny') return { stage, how: 'follows by any event, not just the first that fits' };
    const { content } = stage;
    const inner =
      content.kind === 'group'
        ? content.stages
        : content.kind === 'anyOf'
          ? content.alternatives.flat()
          : content.kind === 'allOf'
            ? content.members
            : [];
    const found = overlapping(inner);
    if (found !== undefined) return found;
  }
  return undefined;
}
