import type { Definitions } from './definitions.ts';
import { listed } from './did-you-mean.ts';
import type { MapNode, Problems } from './document.ts';
import { FieldReader } from './field-reader.ts';
import { StageReader } from './read-stages.ts';
import type { AfterMatchSource, PatternBody } from './rule-source.ts';

/** The strategies, as `afterMatch` names them. */
export const PLAIN_STRATEGIES = ['noSkip', 'skipToNext', 'skipPastLastEvent'] as const;

/** Reads what patterns alone have. */
export function readPattern(reader: FieldReader, definitions: Definitions, problems: Problems): PatternBody {
  const node = reader.get('pattern');
  const before = problems.added;
  const stageReader = new StageReader(definitions, problems);
  const stages = node === undefined ? [] : stageReader.stages(node);
  return {
    kind: 'pattern',
    stages,
    incomplete: problems.added > before,
    within: reader.duration('within'),
    afterMatch: readAfterMatch(reader, problems),
    afterMatchWritten: reader.has('afterMatch'),
    emitTimeouts: reader.oneOf('onTimeout', ['emit', 'drop']) === 'emit',
    definitionDigests: [...stageReader.digests],
  };
}

function readAfterMatch(reader: FieldReader, problems: Problems): AfterMatchSource | undefined {
  const node = reader.get('afterMatch');
  if (node === undefined) return undefined;
  if (node.kind === 'scalar') {
    const kind = PLAIN_STRATEGIES.find((one) => one === node.value);
    if (kind !== undefined) return { kind };
  }
  if (node.kind === 'map') return readSkipTo(node, problems);
  return reader.wrong(
    node,
    'afterMatch',
    'a strategy',
    `write ${listed(PLAIN_STRATEGIES)}, or {skipToFirst: step} or {skipToLast: step}`,
  );
}

function readSkipTo(node: MapNode, problems: Problems): AfterMatchSource | undefined {
  const reader = new FieldReader(node, '`afterMatch`', problems);
  const kind = reader.has('skipToLast') ? 'skipToLast' : 'skipToFirst';
  const step = reader.text(kind);
  const stepPlace = reader.get(kind)?.place ?? node.place;
  const throwOnMiss = reader.flag('throwOnMiss');
  reader.rest(['skipToFirst', 'skipToLast', 'throwOnMiss']);
  if (step !== undefined) return { kind, step, stepPlace, throwOnMiss };
  if (!reader.has(kind))
    problems.add(
      'RULE_TYPE',
      node.place,
      '`afterMatch` does not say where to',
      'write {skipToFirst: step} or {skipToLast: step}',
    );
  return undefined;
}
