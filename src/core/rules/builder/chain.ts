import type { Duration, Stage, Times, Where } from './plain-rule.ts';

type Verb = 'begin' | 'next' | 'followedBy' | 'followedByAny' | 'notNext' | 'notFollowedBy';
type Plain = Stage<unknown>;
type Inside = (start: { readonly begin: (what: Content) => Chain }) => Chain;

/** What a verb takes: a step's name, a pattern kept in a constant, or a group. */
type Content =
  | string
  | Chain
  | { readonly steps: Inside; readonly times?: Times }
  | { readonly anyOf: readonly Inside[]; readonly times?: Times }
  | { readonly allOf: readonly Inside[]; readonly times?: Times };

/**
 * What stands behind the types of `Pattern`: a list of stages as a plain rule has them. Adding a stage, or saying more
 * of the last one, gives a new chain. Nothing is checked here beyond what would be lost: the rule's reader does that,
 * as for every rule.
 */
export class Chain {
  readonly stages: readonly Plain[];

  constructor(stages: readonly Plain[]) {
    this.stages = stages;
  }

  next(what: Content): Chain {
    return this.add('next', what);
  }

  followedBy(what: Content): Chain {
    return this.add('followedBy', what);
  }

  followedByAny(what: Content): Chain {
    return this.add('followedByAny', what);
  }

  notNext(step: string): Chain {
    return this.add('notNext', step);
  }

  notFollowedBy(step: string): Chain {
    return this.add('notFollowedBy', step);
  }

  from(alias: string): Chain {
    return this.say('from', alias);
  }

  type(...types: readonly string[]): Chain {
    return this.say('type', types.length === 1 ? types[0] : types);
  }

  where(condition: Where<never, never>): Chain {
    return this.say('where', condition);
  }

  times(times: Times): Chain {
    return this.say('times', times);
  }

  oneOrMore(): Chain {
    return this.say('times', { min: 1 });
  }

  timesOrMore(least: number): Chain {
    return this.say('times', { min: least });
  }

  optional(): Chain {
    return this.say('optional', true);
  }

  greedy(): Chain {
    return this.say('greedy', true);
  }

  consecutive(): Chain {
    return this.say('consecutive', true);
  }

  allowCombinations(): Chain {
    return this.say('allowCombinations', true);
  }

  until(condition: Where<never, never>): Chain {
    return this.say('until', condition);
  }

  withinPrevious(limit: Duration): Chain {
    return this.say('withinPrevious', limit);
  }

  span(limit: Duration): Chain {
    return this.say('span', limit);
  }

  /** @internal */
  add(verb: Verb, what: Content): Chain {
    return new Chain([...this.stages, stageOf(verb, what)]);
  }

  private say(field: string, value: unknown): Chain {
    const last = this.stages.at(-1);
    if (last !== undefined && field in last) {
      const [name] = Object.values(last);
      throw new TypeError(
        `\`${field}\` is said twice of ${typeof name === 'string' ? `\`${name}\`` : 'a group'}: say it once`,
      );
    }
    return new Chain([...this.stages.slice(0, -1), { ...last, [field]: value } as Plain]);
  }
}

/** Begins a pattern or a group. */
export const begin = (what: Content): Chain => new Chain([]).add('begin', what);

function stageOf(verb: Verb, what: Content): Plain {
  if (typeof what === 'string') return { [verb]: what } as unknown as Plain;
  if (what instanceof Chain) return { [verb]: { steps: what.stages } } as unknown as Plain;
  const times = what.times === undefined ? {} : { times: what.times };
  return { [verb]: groupOf(what), ...times } as unknown as Plain;
}

function groupOf(what: Exclude<Content, string | Chain>): unknown {
  if ('steps' in what) return { steps: what.steps({ begin }).stages };
  return 'anyOf' in what ? { anyOf: what.anyOf.map(member) } : { allOf: what.allOf.map(member) };
}

/** A member of one stage stands for itself. */
function member(inside: Inside): unknown {
  const { stages } = inside({ begin });
  return stages.length === 1 ? stages[0] : { steps: stages };
}
