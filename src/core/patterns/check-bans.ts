import type { Pattern, Stage } from './pattern.ts';
import type { PatternProblemCode } from './pattern-problem.ts';
import { isBan, nameOf } from './stages.ts';

/** Reports a problem: code, stage, what is wrong, the way out. */
type Refuse = (code: PatternProblemCode, stage: string | undefined, message: string, fix: string) => void;

/** Where `notNext` and `notFollowedBy` may stand. */
export function checkBans(pattern: Pattern, refuse: Refuse): void {
  checkSequence(pattern, pattern.stages, true, refuse);
  checkEnd(pattern, refuse);
}

function checkSequence(pattern: Pattern, stages: readonly Stage[], top: boolean, refuse: Refuse): void {
  stages.forEach((stage, at) => {
    if (stage.kind === 'group') checkSequence(pattern, stage.stages, false, refuse);
    if (stage.kind === 'anyOf')
      for (const alternative of stage.alternatives) checkSequence(pattern, alternative, false, refuse);
    if (stage.kind !== 'not') return;
    const before = stages[at - 1];
    const name = nameOf(pattern, stage);
    if (before === undefined) {
      refuse(
        'BAN_FIRST',
        name,
        `\`${name}\` bans an event before any was taken`,
        'begin with a step that takes an event, and put the ban after it',
      );
    } else if (before.kind !== 'not' && 'quantifier' in before && before.quantifier.optional) {
      refuse(
        'BAN_AFTER_OPTIONAL',
        name,
        `\`${name}\` bans an event after \`${nameOf(pattern, before)}\`, which may be absent`,
        'put the ban before the optional step, or make that step mandatory',
      );
    }
    if (!top && at === stages.length - 1 && isBan(stage)) {
      refuse(
        'BAN_ENDS_GROUP',
        name,
        `\`${name}\` ends a group, so it is open how long the ban holds`,
        'put the ban after the group, or a step behind it',
      );
    }
  });
}

/** Bans at the end of the pattern: only a time limit can say that nothing came. */
function checkEnd(pattern: Pattern, refuse: Refuse): void {
  const { stages, within } = pattern;
  const ends: (number | undefined)[] = [];
  let name = '';
  for (let at = stages.length - 1; at > 0; at--) {
    const stage = stages[at]!;
    if (!isBan(stage)) break;
    name = nameOf(pattern, stage);
    ends.push(stage.withinPrevious);
  }
  if (ends.length === 0) return;
  if (!(within !== undefined && within > 0) && !ends.some((limit) => limit !== undefined && limit > 0)) {
    refuse(
      'BAN_WITHOUT_LIMIT',
      name,
      `the pattern ends with the ban \`${name}\` and has no time limit, so it is never known that nothing came`,
      'write `within` on the rule, or `withinPrevious` on the ban',
    );
  }
  if (new Set(ends).size > 1) {
    refuse(
      'BAN_LIMITS_DIFFER',
      name,
      'the bans at the end of the pattern have different limits',
      'give them the same `withinPrevious`',
    );
  }
}
