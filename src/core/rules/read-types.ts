import type { FieldReader } from './field-reader.ts';

/** `type`: an event type, or a list of them. */
export function readTypes(reader: FieldReader): readonly string[] | undefined {
  const node = reader.get('type');
  if (node === undefined) return undefined;
  const items = node.kind === 'list' ? node.items : [node];
  const types = items.flatMap((item) => (item.kind === 'scalar' && item.text !== '' ? [item.text] : []));
  if (types.length === items.length && types.length > 0) return types;
  return reader.wrong(node, 'type', 'an event type', 'write one type, or a list of types');
}
