import type { Behaviour } from '../../src/core/behaviours/behaviour.ts';
import { compileRules } from '../../src/core/rules/compile-rules.ts';
import { Problems } from '../../src/core/rules/document.ts';
import type { CompiledRule, RuleSet } from '../../src/core/rules/rule-set.ts';
import { readYaml } from '../../src/core/rules/yaml-document.ts';
import { NEVER } from '../../src/core/time/units.ts';
import type { PlainRule, Value } from './plain-rule.ts';
import type { Scenario } from './scenario.ts';
import { SHAPES } from './shapes.ts';

/** The rules of a run as its nodes have them: compiled from what a user would write. */
export class SimulatedRules {
  readonly count: number;
  private readonly rules: readonly PlainRule[];
  private readonly sources: readonly string[];
  private readonly ticks: boolean;
  private readonly compiled = new Map<number, RuleSet>();

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
    const documents = readYaml('simulation.yaml', this.rules.map(yamlOf).join('---\n'), problems);
    const turned = [...documents.slice(first), ...documents.slice(0, first)];
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
    const faulty = this.rules.find((rule) => rule.faulty)?.name;
    const changed = new Map(
      ruleSet.rules.map((rule) => {
        const behaviour = this.ticks ? { ...rule.behaviour, ...TICKING } : rule.behaviour;
        return [rule, { ...rule, behaviour: rule.name === faulty ? withFault(behaviour) : behaviour }];
      }),
    );
    const all = (rules: readonly CompiledRule[]) => rules.map((rule) => changed.get(rule)!);
    const keyspaces = ruleSet.keyspaces.map((keyspace) => ({ ...keyspace, rules: all(keyspace.rules) }));
    return { ...ruleSet, keyspaces, rules: all(ruleSet.rules) };
  }
}

function yamlOf({ name, sources, key, saysLate }: PlainRule): string {
  const shape = SHAPES.find((one) => name.startsWith(`${one.name}-${sources[0]}`))!;
  const fields = key.map((field) => `event.${field}`);
  return [
    `rule: ${name}`,
    `from: [${sources.join(', ')}]`,
    `key: ${fields.length === 1 ? fields[0] : `[${fields.join(', ')}]`}`,
    ...(saysLate ? ['onLate: sideOutput'] : []),
    shape.yaml.trim(),
    '',
  ].join('\n');
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
