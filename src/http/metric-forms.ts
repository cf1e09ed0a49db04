import type {
  Measures,
  NodeMeasures,
  ReferenceMeasures,
  RuleMeasures,
  SecondsHistogram,
  SourceMeasures,
} from '../ports/measures.ts';

/** A metric as it is declared: see metrics.ts, which has them all. */
export interface MetricDeclaration {
  readonly name: string;
  readonly type: 'counter' | 'gauge' | 'histogram';
  readonly help: string;
  readonly labels: readonly string[];
}

type Labels = Readonly<Record<string, string>>;
export type Sample = readonly [labels: Labels, value: number];

export interface Plain extends MetricDeclaration {
  readonly type: 'counter' | 'gauge';
  readonly read: (measures: Measures) => Iterable<Sample>;
}

export interface Seconds extends MetricDeclaration {
  readonly type: 'histogram';
  readonly read: (measures: Measures) => SecondsHistogram;
}

const none: Labels = {};

export const ofNode = (
  type: Plain['type'],
  name: string,
  help: string,
  read: (node: NodeMeasures) => number,
): Plain => ({
  name,
  type,
  help,
  labels: [],
  read: ({ node }) => [[none, read(node)]],
});

export const ofSource = (
  type: Plain['type'],
  name: string,
  help: string,
  read: (source: SourceMeasures) => number,
): Plain => ({
  name,
  type,
  help,
  labels: ['source'],
  read: ({ sources }) =>
    [...sources]
      .map(([source, measures]): Sample => [{ source }, read(measures)])
      // A watermark before the first event is no point in time yet.
      .filter(([, value]) => Number.isFinite(value)),
});

export const ofRule = (name: string, help: string, read: (rule: RuleMeasures) => number): Plain => ({
  name,
  type: 'counter',
  help,
  labels: ['rule'],
  read: ({ rules }) => [...rules].map(([rule, measures]): Sample => [{ rule }, read(measures)]),
});

export const ofRuleBy = (
  label: string,
  name: string,
  help: string,
  read: (rule: RuleMeasures) => ReadonlyMap<string, number>,
): Plain => ({
  name,
  type: 'counter',
  help,
  labels: ['rule', label],
  read: ({ rules }) =>
    [...rules].flatMap(([rule, measures]) =>
      [...read(measures)].map(([which, count]): Sample => [{ rule, [label]: which }, count]),
    ),
});

export const ofReference = (
  type: Plain['type'],
  name: string,
  help: string,
  read: (reference: ReferenceMeasures) => number,
): Plain => ({
  name,
  type,
  help,
  labels: ['reference'],
  read: ({ references }) => [...references].map(([reference, measures]): Sample => [{ reference }, read(measures)]),
});

export const seconds = (name: string, help: string, read: (node: NodeMeasures) => SecondsHistogram): Seconds => ({
  name,
  type: 'histogram',
  help,
  labels: [],
  read: ({ node }) => read(node),
});
