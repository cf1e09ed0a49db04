import { checkProcessRule } from '../process/check-process-rule.ts';
import type { AnyProcessRule } from '../process/process-rule.ts';
import type { Problems, RuleDocument } from './document.ts';
import type { FieldReader } from './field-reader.ts';
import { KINDS } from './rule-kinds.ts';

/** What process rules alone say. */
export interface ProcessBody {
  readonly kind: 'process';
  /** As the module gave it, and checked. */
  readonly rule: AnyProcessRule;
  /** Digest of its module. */
  readonly digest: string;
}

/** Fields of other rules that process rules have in another place, or not at all. */
const ELSEWHERE: Readonly<Record<string, string>> = {
  key: 'give each source its own: `source(…, { key: … })`',
  keyEach: 'give each source its own: `source(…, { keyEach: … })`',
  where: 'give each source its own: `source(…, { where: … })`',
  emit: 'say it with `ctx.emit`, on one of `outputs`',
  to: 'what a process rule says goes to side outputs, which go to no other subject',
  throttle: 'remember with `value()` when it last spoke',
};

/**
 * Reads what process rules alone have; undefined when too little is there to go on. The rule runs as the module made
 * it, so it is checked, not taken apart.
 */
export function readProcess(
  reader: FieldReader,
  { exported, digest }: RuleDocument,
  problems: Problems,
): ProcessBody | undefined {
  if (typeof exported !== 'object' || exported === null || digest === undefined) {
    problems.add(
      'PROCESS_MODULE',
      reader.placeOf(KINDS.process.opens),
      'a process rule is code, and this is none',
      'write it in a module: export default processRule({ … })',
    );
    return undefined;
  }
  const before = problems.added;
  for (const field of [...KINDS.process.fields, 'limits']) reader.get(field);
  refuseElsewhere(reader, problems);
  const rule = exported as AnyProcessRule;
  for (const { code, path, message, fix } of checkProcessRule(exported as Readonly<Record<string, unknown>>)) {
    // Places name the file alone, and a module may hold many rules.
    const where = path.join('.');
    problems.add(code, reader.placeOf(path[0] ?? ''), `rule ${rule.rule}, \`${where}\`: ${message}`, fix);
  }
  return problems.added > before ? undefined : { kind: 'process', rule, digest };
}

function refuseElsewhere(reader: FieldReader, problems: Problems): void {
  for (const [field, fix] of Object.entries(ELSEWHERE)) {
    if (!reader.has(field)) continue;
    problems.add('RULE_FIELD_KIND', reader.placeOf(field), `process rules have no \`${field}\``, fix);
  }
  const dedupe = reader.get('dedupe');
  if (dedupe?.kind !== 'map' || !dedupe.fields.some(({ name }) => name === 'matches')) return;
  const message = '`dedupe.matches` has nothing to do: what a process rule says goes to side outputs';
  problems.add('RULE_FIELD_KIND', dedupe.place, message, 'take `matches` out; `dedupe.events` works');
}
