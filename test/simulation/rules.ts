import type { Behaviour } from '../../src/core/behaviours/behaviour.ts';
import { compileRules } from '../../src/core/rules/compile-rules.ts';
import { Problems, type RuleDocument } from '../../src/core/rules/document.ts';
import { readModule } from '../../src/core/rules/module-document.ts';
import type { CompiledRule, RuleSet } from '../../src/core/rules/rule-set.ts';
import { readYaml } from '../../src/core/rules/yaml-document.ts';
import { NEVER } from '../../src/core/time/units.ts';
import { chainedRule, type PlainRule, type Value } from './plain-rule.ts';
import type { Scenario } from './scenario.ts';
import { shapeOf } from './shapes.ts';

/** The rules of a run as its nodes have them: compiled from what a user would write. */
export class SimulatedRules {
  readonly count: number;
  private readonly rules: readonly PlainRule[];
  private readonly sources: readonly string[];
  private readonly ticks: boolean;
  private readonly compiled = new Map<number, RuleSet>();
  private documents: readonly RuleDocument[] | undefined;

  constructor({ rules, sources, ticks }: Pick<Scenario, 'rules' | 'sources' | 'ticks'>) {
    this.rules = rules;
    this.sources = sources.map(({ name }) => name);
    this.ticks = ticks;
    this.count = rules.length;
  }

  /**
   * What runs of them is pure, so all nodes share them.
   * @param first which of the rules stands first: their order means nothing
   */
  beginningWith(first: number): RuleSet {
    const known = this.compiled.get(first);
    if (known !== undefined) return known;
    const problems = new Problems();
    this.documents ??= this.rules.flatMap((rule) => documentsOf(rule, problems));
    const turned = [...this.documents.slice(first), ...this.documents.slice(0, first)];
    const result = compileRules(turned, { sources: this.sources }, problems);
    if (!result.ok)
      throw new Error(`the simulation's rules do not compile: ${JSON.stringify(result.problems, null, 2)}`);
    const ruleSet = this.changed(result.ruleSet);
    this.compiled.set(first, ruleSet);
    return ruleSet;
  }

  /** The name by which lanes route events to a rule. */
  keyspaceOf(name: string): string {
    return this.beginningWith(0).keyspaces.find(({ rules }) => rules.some((rule) => rule.name === name))!.id;
  }

  /** The rules with what no rule of a user has. */
  private changed(ruleSet: RuleSet): RuleSet {
    // A rule that is code throws by itself.
    const faulty = this.rules.find((rule) => rule.faulty && shapeOf(rule.shape).kind !== 'process')?.name;
    const changed = new Map(
      ruleSet.rules.map((rule) => {
        const ticks = this.ticks && rule.behaviour.onProcessingTime === undefined;
        const behaviour = ticks ? { ...rule.behaviour, ...TICKING } : rule.behaviour;
        return [rule, { ...rule, behaviour: rule.name === faulty ? withFault(behaviour) : behaviour }];
      }),
    );
    const all = (rules: readonly CompiledRule[]) => rules.map((rule) => changed.get(rule)!);
    const keyspaces = ruleSet.keyspaces.map((keyspace) => ({ ...keyspace, rules: all(keyspace.rules) }));
    return { ...ruleSet, keyspaces, rules: all(ruleSet.rules) };
  }
}

/** What a user would write: YAML, or a module. */
function documentsOf(rule: PlainRule, problems: Problems): readonly RuleDocument[] {
  const shape = shapeOf(rule.shape);
  const { name, sources, key, saysLate, wrapper } = rule;
  const { throttle, dedupeMs } = wrapper;
  const dedupe = dedupeMs !== undefined && { events: 'event.n', within: `${dedupeMs}ms` };
  if (shape.kind === 'process') {
    const exported = { ...(shape.module(rule) as object), ...(dedupe && { dedupe }) };
    return readModule(`${name}.ts`, exported, name, problems);
  }
  const chained = chainedRule(sources[0]!);
  const expressions = key.kind === 'fields' ? key.fields.map((field) => `event.${field}`) : [];
  const alias = (source: string, type: string) =>
    `{source: ${source}, type: ${type}${key.kind === 'bySource' ? `, key: event.${key.fields[source]}` : ''}}`;
  const text = [
    `rule: ${name}`,
    shape.kind === 'join'
      ? `from: {opened: ${alias(sources[0]!, 'Open')}, closed: ${alias(sources.at(-1)!, 'Close')}}`
      : chained === undefined
        ? `from: [${sources.join(', ')}]`
        : `from: {rule: ${chained}}`,
    ...(key.kind === 'fields'
      ? [`key: ${expressions.length === 1 ? expressions[0] : `[${expressions.join(', ')}]`}`]
      : key.kind === 'each'
        ? ['keyEach: event.tags']
        : key.kind === 'chain'
          ? [`key: event.${key.of}`]
          : []),
    ...(throttle ? [`throttle: {per: ${throttle.perMs}ms, count: ${throttle.count}}`] : []),
    ...(dedupe ? [`dedupe: {events: ${dedupe.events}, within: ${dedupe.within}}`] : []),
    ...(shape.kind === 'join' && saysLate ? ['onLate: sideOutput'] : []),
    shape.yaml(saysLate).trim(),
    '',
  ].join('\n');
  return readYaml(`${name}.yaml`, text, problems);
}

/** What makes a rule go by processing time; it does nothing by it. */
const TICKING: Pick<Behaviour, 'onProcessingTime' | 'wakeAtProcessing'> = {
  onProcessingTime: () => undefined,
  wakeAtProcessing: () => NEVER,
};

/** Throws on poison: on some before it looked at the event, on some when its state is already changed. */
function withFault(behaviour: Behaviour): Behaviour {
  return {
    ...behaviour,
    onEvent(state, event, output) {
      const { poison } = event.data as Value;
      if (poison !== 'before') behaviour.onEvent(state, event, output);
      if (poison !== undefined) throw new Error('this event is poison');
    },
  };
}
