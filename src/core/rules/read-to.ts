import type { DocumentNode, Problems, ScalarNode } from './document.ts';
import { FieldReader, nodeName } from './field-reader.ts';

/** `to` as it stands in a rule. */
export interface ToSource {
  /** A text that may hold `${expression}`. */
  readonly subject: ScalarNode;
  /** Whether a stream has to acknowledge each match. Default true. */
  readonly acknowledged: boolean;
}

const FORM = `write \`to: {subject: alerts.break-in}\`; the text may hold \${expression}`;

/** Reads `to`; undefined when it cannot be read, which is reported. */
export function readTo(node: DocumentNode, problems: Problems): ToSource | undefined {
  if (node.kind === 'broken') return undefined;
  if (node.kind !== 'map') {
    problems.add('RULE_TYPE', node.place, `\`to\` is ${nodeName(node)}, not a map`, FORM);
    return undefined;
  }
  const reader = new FieldReader(node, '`to`', problems);
  const subject = reader.get('subject');
  const acknowledged = reader.has('ack') ? reader.flag('ack') : true;
  reader.rest(['subject', 'ack']);
  if (subject?.kind === 'scalar' && typeof subject.value === 'string' && subject.text !== '')
    return { subject, acknowledged };
  if (subject !== undefined) reader.wrong(subject, 'subject', 'a text', FORM);
  else if (!reader.has('subject')) problems.add('RULE_TYPE', node.place, '`to` has no `subject`', FORM);
  return undefined;
}
