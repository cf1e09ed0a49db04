import type { PatternDraft, StageDraft } from './draft.ts';
import { forever } from './draft.ts';

// Whatever is drawn becomes a pattern that the compiler accepts, by the smallest change. A draft that were thrown away
// instead would make the rarer constructs rarer still.

export function repaired(draft: PatternDraft): PatternDraft {
  const { within } = draft;
  const fit = (limit: number | undefined) =>
    limit === undefined || within === undefined ? limit : Math.min(limit, within);
  const limited = (stage: StageDraft): StageDraft => ({
    ...stage,
    within: fit(stage.within),
    withinPrevious: fit(stage.withinPrevious),
    stages: stage.stages.map(limited),
  });
  const stages = trailing(sequence(draft.stages, true).map(limited), within);
  const skipsToStep = draft.after === 'skipToFirst' || draft.after === 'skipToLast';
  const hasTarget = stages.some(({ kind }) => kind === 'step' || kind === 'allOf' || kind === 'anyOf');
  return { ...draft, stages, after: skipsToStep && !hasTarget ? 'skipPastLastEvent' : draft.after };
}

const isNot = ({ kind }: StageDraft) => kind === 'notNext' || kind === 'notFollowedBy';

function sequence(stages: readonly StageDraft[], top: boolean): StageDraft[] {
  const result = stages.map(stageOf);
  result.forEach((stage, at) => {
    if (at === 0 && isNot(stage)) result[0] = plain(stage);
    else if (stage.kind === 'notFollowedBy' && !top && at === result.length - 1)
      result[at] = { ...stage, kind: 'notNext' };
    const before = result[at - 1];
    if (isNot(stage) && before?.optional) result[at - 1] = { ...before, optional: false };
  });
  return result;
}

/** A step taken exactly once. */
function plain(stage: StageDraft): StageDraft {
  return stageOf({ ...stage, kind: 'step', times: [1, 1], optional: false });
}

function stageOf(stage: StageDraft): StageDraft {
  const repeated = stage.times[1] > 1;
  const open = stage.times[1] === forever;
  switch (stage.kind) {
    case 'step':
      return {
        ...stage,
        stages: [],
        greedy: stage.greedy && repeated,
        until: open ? stage.until : undefined,
        within: repeated ? stage.within : undefined,
        withinPrevious: repeated ? undefined : stage.withinPrevious,
        span: repeated ? stage.span : undefined,
      };
    case 'group': {
      const stages = sequence(stage.stages, false);
      const [first, ...rest] = stages;
      if (open && stages.every(canBeEmpty)) stages.splice(0, stages.length, { ...first!, optional: false }, ...rest);
      // A group that is still empty consists of groups that are: its first is taken once.
      const until = open ? stage.until : undefined;
      const sound = open && stages.every(canBeEmpty) ? [plain(first!), ...rest] : stages;
      return { ...stage, stages: sound, greedy: false, until, within: undefined, withinPrevious: undefined };
    }
    case 'notNext':
    case 'notFollowedBy':
      return { ...stage, stages: [], optional: false };
    case 'anyOf':
      return { ...stage, optional: false, stages: stage.stages.map(alternative) };
    case 'allOf':
      return { ...stage, optional: false, stages: stage.stages.map(plain) };
  }
}

function alternative(stage: StageDraft): StageDraft {
  if (stage.kind !== 'group') return stageOf({ ...stage, kind: 'step', optional: false });
  const [first, ...rest] = stage.stages;
  const stages = sequence([{ ...first!, kind: 'step', optional: false }, ...rest], false);
  return { ...stage, times: [1, 1], optional: false, span: undefined, until: undefined, stages };
}

function canBeEmpty(stage: StageDraft): boolean {
  switch (stage.kind) {
    case 'step':
      return stage.optional;
    case 'group':
      return stage.optional || stage.stages.every(canBeEmpty);
    case 'notNext':
    case 'notFollowedBy':
      return true;
    case 'anyOf':
    case 'allOf':
      return false;
  }
}

/** Bans at the end need a limit, the same for all. */
function trailing(stages: readonly StageDraft[], within: number | undefined): StageDraft[] {
  const from = stages.findLastIndex((stage) => stage.kind !== 'notFollowedBy') + 1;
  const limits = stages.slice(from).map((stage) => stage.withinPrevious);
  const limit = limits.find((own) => own !== undefined) ?? (within === undefined ? 5 : undefined);
  return stages.map((stage, at) => (at < from ? stage : { ...stage, withinPrevious: limit }));
}
