import { checkBans } from './check-bans.ts';
import type { AnyOfStage, GroupStage, Pattern, Quantifier, Stage, StepStage } from './pattern.ts';
import type { PatternProblem, PatternProblemCode } from './pattern-problem.ts';
import { allStages, canBeEmpty, nameOf, sizeOfAll, stepsWithin } from './stages.ts';

/** Most states an automaton may have; only large counts of large groups come near it. */
const maxStates = 20_000;
/** `allOf` needs a state for every set of members that is still to come. */
const maxMembers = 8;

/** Finds everything that keeps a pattern from being run, and what would surprise its author. */
export function checkPattern(pattern: Pattern): { problems: PatternProblem[]; warnings: PatternProblem[] } {
  const check = new PatternCheck(pattern);
  check.run();
  return check;
}

class PatternCheck {
  readonly pattern: Pattern;
  readonly problems: PatternProblem[] = [];
  readonly warnings: PatternProblem[] = [];

  constructor(pattern: Pattern) {
    this.pattern = pattern;
  }

  run(): void {
    const { stages, steps } = this.pattern;
    if (stages.length === 0) {
      this.#refuse(
        'PATTERN_EMPTY',
        undefined,
        'the pattern has no steps, so nothing can match',
        'give it at least one step that takes an event',
      );
      return;
    }
    const seen = new Set<string>();
    for (const step of stepsWithin(stages)) {
      const name = steps[step] ?? `step ${step}`;
      if (seen.has(name))
        this.#refuse('STEP_REPEATED', name, `two steps are called \`${name}\``, 'give every step a name of its own');
      seen.add(name);
    }
    for (const stage of allStages(stages)) this.#stage(stage);
    checkBans(this.pattern, (...problem) => this.#refuse(...problem));
    this.#afterMatch();
    const states = sizeOfAll(stages);
    if (states > maxStates) {
      this.#refuse(
        'PATTERN_TOO_LARGE',
        undefined,
        `the counts in the pattern multiply to ${states} states; at most ${maxStates} are kept`,
        'lower `times`, or leave its upper end open',
      );
    }
    const first = stages[0]!;
    if (first.kind === 'step' && first.withinPrevious !== undefined) {
      this.#warn(
        'LIMIT_WITHOUT_EFFECT',
        nameOf(this.pattern, first),
        'nothing is taken before the first step, so its `withinPrevious` limits nothing',
        'put the limit on the step after it, or write `within` on the rule',
      );
    }
  }

  #stage(stage: Stage): void {
    switch (stage.kind) {
      case 'step':
      case 'group':
        this.#quantified(stage);
        break;
      case 'not':
        this.#limit(stage.withinPrevious, nameOf(this.pattern, stage));
        break;
      case 'anyOf':
        this.#anyOf(stage);
        break;
      case 'allOf': {
        const name = nameOf(this.pattern, stage);
        const bad = stage.members.some(
          ({ quantifier }) => quantifier.min !== 1 || quantifier.max !== 1 || quantifier.optional,
        );
        if (stage.members.length < 2 || stage.members.length > maxMembers || bad) {
          this.#refuse(
            'CHOICE_INVALID',
            name,
            `\`allOf\` takes 2 to ${maxMembers} steps, each exactly once`,
            'put loops and optional steps before or after it',
          );
        }
        for (const member of stage.members) this.#limit(member.withinPrevious, nameOf(this.pattern, member));
        return;
      }
    }
  }

  #anyOf(stage: AnyOfStage): void {
    const bad = stage.alternatives.some((alternative) => {
      const first = alternative[0];
      return first === undefined || first.kind !== 'step' || first.quantifier.optional;
    });
    if (stage.alternatives.length < 2 || bad) {
      this.#refuse(
        'CHOICE_INVALID',
        nameOf(this.pattern, stage),
        'every alternative of `anyOf` begins with a step that takes an event, and there are at least two',
        'move what is optional behind the first step of the alternative',
      );
    }
  }

  #quantified(stage: StepStage | GroupStage): void {
    const { quantifier } = stage;
    const { min, max } = quantifier;
    const name = nameOf(this.pattern, stage);
    if (
      !Number.isInteger(min) ||
      min < 1 ||
      max < min ||
      (max !== Number.POSITIVE_INFINITY && !Number.isInteger(max))
    ) {
      this.#refuse(
        'QUANTIFIER_INVALID',
        name,
        `\`${name}\` is to occur ${min} to ${max} times`,
        'let `times` begin at 1 or more and not end before it begins; `optional` makes it 0',
      );
    }
    if (quantifier.greedy && (stage.kind === 'group' || max === 1)) {
      this.#refuse(
        'GREEDY_WITHOUT_LOOP',
        name,
        `\`${name}\` is greedy but is no repeated step`,
        'drop `greedy`, or give the step `times`',
      );
    } else if (quantifier.greedy && min === max) {
      this.#warn(
        'GREEDY_WITHOUT_EFFECT',
        name,
        `\`${name}\` occurs exactly ${min} times, so \`greedy\` changes nothing`,
        'drop `greedy`',
      );
    }
    if (quantifier.until !== undefined && max !== Number.POSITIVE_INFINITY) {
      this.#refuse(
        'UNTIL_WITHOUT_LOOP',
        name,
        `\`${name}\` has an \`until\` but ends after ${max} events anyway`,
        'leave the upper end of `times` open, or drop `until`',
      );
    }
    if (stage.span !== undefined && !(stage.span > 0)) {
      this.#refuse(
        'SPAN_EMPTY',
        name,
        `\`span\` of \`${name}\` is ${stage.span} ms, so not even one event fits`,
        'give `span` a duration such as 30s',
      );
    }
    if (stage.kind === 'group') this.#group(stage, name);
    else this.#step(stage, quantifier, name);
  }

  #group(stage: GroupStage, name: string): void {
    if (stage.stages.length === 0) {
      this.#refuse('PATTERN_EMPTY', name, 'a group has no steps', 'give the group a step, or remove it');
    } else if (stage.quantifier.max === Number.POSITIVE_INFINITY && stage.stages.every(canBeEmpty)) {
      this.#refuse(
        'LOOP_OVER_NOTHING',
        name,
        `the loop over ${name} could go round without taking an event, for ever`,
        'make one of its steps mandatory; `optional` on the group lets it be absent as a whole',
      );
    }
    if (stage.quantifier.within !== undefined) {
      this.#warn(
        'LIMIT_WITHOUT_EFFECT',
        name,
        'a gap limit on a group limits nothing',
        'put `withinPrevious` on steps in the group, or `span` on the group',
      );
    }
    const first = stage.stages[0];
    if (first?.kind === 'step' && first.quantifier.max > 1 && first.quantifier.inner !== stage.quantifier.inner) {
      this.#warn(
        'INNER_CONTIGUITY_OF_GROUP',
        nameOf(this.pattern, first),
        `\`${nameOf(this.pattern, first)}\` begins a group, so between its events the contiguity of the group's rounds holds, not its own`,
        'put a step before it in the group, or give the group the same contiguity',
      );
    }
    if (first?.kind === 'group') {
      this.#warn(
        'GROUP_BEGINS_GROUP',
        nameOf(this.pattern, first),
        `\`${nameOf(this.pattern, first)}\` begins a group, so its first event has to follow the event before it directly`,
        'put a step before it in the group, or its steps into the group around it',
      );
    }
  }

  #step(stage: StepStage, quantifier: Quantifier, name: string): void {
    this.#limit(stage.withinPrevious, name);
    this.#limit(quantifier.within, name);
    if (stage.withinPrevious !== undefined && quantifier.max > 1) {
      this.#warn(
        'LIMIT_WITHOUT_EFFECT',
        name,
        `\`${name}\` is repeated, and there \`withinPrevious\` limits nothing`,
        'give the limit as `within` of `times`',
      );
    }
  }

  #limit(gap: number | undefined, name: string): void {
    const { within } = this.pattern;
    if (gap !== undefined && within !== undefined && within > 0 && gap > within) {
      this.#refuse(
        'WITHIN_PREVIOUS_TOO_LONG',
        name,
        `\`${name}\` may come up to ${gap} ms after the event before it, but the whole pattern ends after ${within} ms`,
        'lower the gap limit, or raise `within` of the rule',
      );
    }
  }

  #afterMatch(): void {
    const { afterMatch, stages, steps } = this.pattern;
    if (afterMatch.kind !== 'skipToFirst' && afterMatch.kind !== 'skipToLast') return;
    const reachable = stages.flatMap((stage) => (stage.kind === 'group' ? [] : stepsWithin([stage])));
    if (!reachable.includes(afterMatch.step)) {
      const name = steps[afterMatch.step] ?? `step ${afterMatch.step}`;
      this.#refuse(
        'SKIP_STEP_UNKNOWN',
        name,
        `\`afterMatch\` skips to \`${name}\`, which is no step outside groups`,
        'name a step that stands on the top level of the pattern',
      );
    }
  }

  #refuse(code: PatternProblemCode, stage: string | undefined, message: string, fix: string): void {
    this.problems.push({ code, message, fix, stage });
  }

  #warn(code: PatternProblemCode, stage: string | undefined, message: string, fix: string): void {
    this.warnings.push({ code, message, fix, stage });
  }
}
