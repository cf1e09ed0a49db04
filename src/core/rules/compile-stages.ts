import type { Contiguity, GroupStage, NotStage, Pattern, Quantifier, Stage, StepStage } from '../patterns/pattern.ts';
import { type Lookups, RuleLookups } from '../references/lookups.ts';
import { compileAfterMatch } from './after-match.ts';
import { type CompiledCondition, type ConditionContext, compileCondition } from './compile-condition.ts';
import { inputOf, joinedConditions, type RuleInputs } from './compile-inputs.ts';
import type { Problems } from './document.ts';
import { FailureSink } from './failure-sink.ts';
import { withDefaults } from './read-limits.ts';
import type { RuleContext } from './rule-context.ts';
import type { PatternBody, StageSource, UseSource, Verb } from './rule-source.ts';
import { SharedPredicates } from './shared-predicates.ts';
import { isBan, type Position, type StepEntry, scopeSteps, stepTable, visibleSteps } from './step-table.ts';

/** A pattern's parts, before it is known what `emit` reads of its events. */
export interface PatternParts {
  readonly pattern: Omit<Pattern, 'keep'>;
  readonly steps: readonly StepEntry[];
  readonly conditions: readonly CompiledCondition[];
  /** What gives the pattern its meaning, as plain data. */
  readonly meaning: unknown;
}

const CONTIGUITY: Readonly<Record<Verb, Contiguity | undefined>> = {
  begin: undefined,
  next: 'strict',
  followedBy: 'relaxed',
  followedByAny: 'nonDeterministic',
  notNext: 'strict',
  notFollowedBy: 'relaxed',
};

const INNER = { consecutive: 'strict', allowCombinations: 'nonDeterministic' } as const;

export function compilePatternParts(
  body: PatternBody,
  { source, inputs, defaults, shared, lookups, sink, problems }: RuleContext,
): PatternParts {
  const { steps, stages, compiler } = compileStages(body.stages, inputs, shared, lookups, sink, problems);
  const afterMatch = compileAfterMatch(body, steps, problems);
  const limits = withDefaults(source.limits, defaults.limits);
  const names = steps.map(({ content }) => content.name);
  const pattern = {
    steps: names,
    stages,
    within: body.within,
    afterMatch,
    emitTimeouts: body.emitTimeouts,
    limits,
  };
  const meaning = { ...pattern, stages: body.stages.map((stage) => compiler.meaningOf(stage)) };
  return {
    pattern,
    steps,
    conditions: [...compiler.wheres.values(), ...compiler.untils.values()],
    meaning,
  };
}

/** Compiles the steps of a definition that no rule uses, to find what is wrong in them. */
export function checkStages(stages: readonly StageSource[], references: Lookups, problems: Problems): void {
  compileStages(stages, undefined, new SharedPredicates(), new RuleLookups(references), new FailureSink(), problems);
}

function compileStages(
  sources: readonly StageSource[],
  inputs: RuleInputs | undefined,
  shared: SharedPredicates,
  lookups: RuleLookups,
  sink: FailureSink,
  problems: Problems,
): { readonly steps: readonly StepEntry[]; readonly stages: readonly Stage[]; readonly compiler: StageCompiler } {
  const steps = stepTable(sources, problems);
  const compiler = new StageCompiler(steps, inputs, shared, lookups, sink, problems);
  return { steps, stages: sources.map((stage) => compiler.stage(stage)), compiler };
}

class StageCompiler {
  readonly wheres = new Map<StageSource, CompiledCondition>();
  readonly untils = new Map<StageSource, CompiledCondition>();
  private readonly steps: readonly StepEntry[];
  /** Undefined where the stages are a definition's, which no rule reads for. */
  private readonly inputs: RuleInputs | undefined;
  private readonly shared: SharedPredicates;
  private readonly lookups: RuleLookups;
  private readonly sink: FailureSink;
  private readonly problems: Problems;
  private readonly known: ConditionContext['known'] = new Map();

  constructor(
    steps: readonly StepEntry[],
    inputs: RuleInputs | undefined,
    shared: SharedPredicates,
    lookups: RuleLookups,
    sink: FailureSink,
    problems: Problems,
  ) {
    this.steps = steps;
    this.inputs = inputs;
    this.shared = shared;
    this.lookups = lookups;
    this.sink = sink;
    this.problems = problems;
  }

  stage(source: StageSource): Stage {
    const contiguity = CONTIGUITY[source.verb];
    const { content } = source;
    switch (content.kind) {
      case 'step':
        return isBan(source) ? this.ban(source) : this.step(source, contiguity);
      case 'group':
        this.noStepLimit(source);
        return this.group(
          source,
          contiguity,
          content.stages.map((stage) => this.stage(stage)),
        );
      case 'anyOf':
        this.noStepLimit(source);
        return this.wrapped(source, contiguity, (outer) => ({
          kind: 'anyOf',
          contiguity: outer,
          alternatives: content.alternatives.map((stages) => stages.map((stage) => this.stage(stage))),
        }));
      case 'allOf':
        this.noStepLimit(source);
        return this.wrapped(source, contiguity, (outer) => ({
          kind: 'allOf',
          contiguity: outer,
          members: content.members.flatMap((member) => this.member(member)),
        }));
    }
  }

  private step(source: StageSource, contiguity: Contiguity | undefined): StepStage {
    const entry = this.entryOf(source);
    return {
      kind: 'step',
      contiguity,
      step: entry.index,
      where: this.conditionOf(entry),
      quantifier: this.quantifier(source),
      withinPrevious: source.withinPrevious,
      span: source.span,
    };
  }

  private ban(source: StageSource): NotStage {
    const entry = this.entryOf(source);
    const quantified =
      source.times ?? source.until ?? source.inner ?? (source.optional || source.greedy ? true : source.span);
    if (quantified !== undefined) {
      this.problems.add(
        'STEP_QUANTIFIER',
        source.place,
        `\`${source.verb}\` forbids an event, so it takes no times, optional, greedy, until or span`,
        'take them out',
      );
    }
    const contiguity = source.verb === 'notNext' ? 'strict' : 'relaxed';
    return {
      kind: 'not',
      contiguity,
      step: entry.index,
      where: this.conditionOf(entry),
      withinPrevious: source.withinPrevious,
    };
  }

  private group(source: StageSource, contiguity: Contiguity | undefined, stages: readonly Stage[]): GroupStage {
    return { kind: 'group', contiguity, stages, quantifier: this.quantifier(source), span: source.span };
  }

  /** A choice that loops, is optional or has a span stands in a group of its own, which carries them. */
  private wrapped(
    source: StageSource,
    contiguity: Contiguity | undefined,
    make: (outer: Contiguity | undefined) => Stage,
  ): Stage {
    const plain =
      source.times === undefined && !source.optional && source.until === undefined && source.span === undefined;
    return plain ? make(contiguity) : this.group(source, contiguity, [make(undefined)]);
  }

  private member(source: StageSource): StepStage[] {
    const stage = this.stage(source);
    if (stage.kind === 'step') return [stage];
    this.problems.add(
      'STEP_GROUP',
      source.place,
      '`allOf` holds single steps only',
      'write each member as {begin: name, type: X}',
    );
    return [];
  }

  private noStepLimit(source: StageSource): void {
    if (source.withinPrevious !== undefined) {
      this.problems.add(
        'STEP_GROUP',
        source.place,
        '`withinPrevious` cannot stand on a group',
        'write it on the first step inside it, or limit the group with `span`',
      );
    }
  }

  private quantifier(source: StageSource): Quantifier {
    const { times } = source;
    return {
      min: Math.max(1, times?.min ?? 1),
      max: times?.max ?? 1,
      optional: source.optional || times?.min === 0,
      greedy: source.greedy,
      inner: source.inner === undefined ? 'relaxed' : INNER[source.inner],
      within: times?.within,
      until: source.until === undefined ? undefined : this.until(source),
    };
  }

  private until(source: StageSource): Quantifier['until'] {
    const own = this.steps.filter(({ stage, position }) => stage === source || position.loops.includes(source));
    const last = own.at(-1);
    const position: Position = last === undefined ? NOWHERE : { ...last.position, at: last.index + 0.5 };
    const compiled = this.compile(`until of ${own[0]?.content.name}`, undefined, source.until, position, source.use);
    this.untils.set(source, compiled);
    return compiled.condition;
  }

  private conditionOf(entry: StepEntry): Quantifier['until'] {
    const { name, types, where } = entry.content;
    const own = this.compile(`where of ${name}`, types, where, entry.position, entry.stage.use);
    const compiled = this.ofInput(entry, own);
    this.wheres.set(entry.stage, compiled);
    return compiled.condition;
  }

  /** A step with `from` takes events of that input alone. */
  private ofInput({ content }: StepEntry, own: CompiledCondition): CompiledCondition {
    if (content.from === undefined || this.inputs === undefined) return own;
    const input = inputOf(this.inputs, content.from, this.problems);
    return input === undefined ? own : joinedConditions(input.condition, own);
  }

  private compile(
    where: string,
    types: readonly string[] | undefined,
    source: StageSource['until'],
    position: Position,
    use: UseSource | undefined,
  ): CompiledCondition {
    const steps = visibleSteps(this.steps, use);
    const scope = { event: true, key: true, steps: scopeSteps(steps, position), lookups: this.lookups };
    const context = {
      scope,
      steps,
      shared: this.shared,
      sink: this.sink,
      problems: this.problems,
      known: this.known,
    };
    return compileCondition(types, source, context, where);
  }

  private entryOf(source: StageSource): StepEntry {
    return this.steps.find(({ stage }) => stage === source)!;
  }

  /** The stage as plain data with canonical conditions: what the rule's version is computed from. */
  meaningOf(source: StageSource): unknown {
    const { content, verb, times, optional, greedy, inner, withinPrevious, span } = source;
    const own = {
      verb,
      times,
      optional,
      greedy,
      inner,
      withinPrevious,
      span,
      until: this.untils.get(source)?.text,
    };
    switch (content.kind) {
      case 'step':
        return { ...own, step: content.name, condition: this.wheres.get(source)?.text };
      case 'group':
        return { ...own, stages: content.stages.map((stage) => this.meaningOf(stage)) };
      case 'anyOf':
        return { ...own, anyOf: content.alternatives.map((stages) => stages.map((stage) => this.meaningOf(stage))) };
      case 'allOf':
        return { ...own, allOf: content.members.map((stage) => this.meaningOf(stage)) };
    }
  }
}

const NOWHERE: Position = { at: 0, loops: [], branches: new Map(), unordered: [] };
