import { type DocumentNode, type RuleDocument, scalarText } from './document.ts';
import type { Place } from './problem.ts';

/**
 * A rule document as JSON, so that a node which does not have its file can compile it. Places are lost; all that gives
 * the rule its meaning stays, so that it compiles to the same version.
 *
 *     map    {"m": [[name, node], …]}
 *     list   [node, …]
 *     scalar the value, or {"v": value, "t": text} where it was written in another way than its value is (`1e3`)
 */
export type JsonNode =
  | { readonly m: readonly (readonly [name: string, value: JsonNode])[] }
  | { readonly v: Scalar; readonly t: string }
  | readonly JsonNode[]
  | Scalar;

type Scalar = string | number | boolean | null;

/** The document as JSON; undefined when it comes from a module, holds code or could not be read. */
export function documentToJson({ root, digest }: RuleDocument): JsonNode | undefined {
  return digest === undefined ? nodeToJson(root) : undefined;
}

function nodeToJson(node: DocumentNode): JsonNode | undefined {
  switch (node.kind) {
    case 'scalar':
      return scalarText(node.value) === node.text && plain(node.value) === node.value
        ? node.value
        : { v: plain(node.value), t: node.text };
    case 'list': {
      const items = node.items.map(nodeToJson);
      return items.some((item) => item === undefined) ? undefined : (items as JsonNode[]);
    }
    case 'map': {
      const fields = node.fields.map(({ name, value }) => [name, nodeToJson(value)] as const);
      return fields.some(([, value]) => value === undefined) ? undefined : { m: fields as [string, JsonNode][] };
    }
    case 'function':
    case 'broken':
      return undefined;
  }
}

/** JSON has neither infinity nor NaN: their text brings them back. */
const plain = (value: Scalar): Scalar => (typeof value === 'number' && !Number.isFinite(value) ? null : value);

/** @param file what stands in the place of a file name in messages */
export function documentFromJson(json: JsonNode, file: string): RuleDocument {
  const place: Place = { file, line: 1, column: 1 };
  return { root: nodeFromJson(json, place), digest: undefined };
}

function nodeFromJson(json: JsonNode, place: Place): DocumentNode {
  if (Array.isArray(json)) return { kind: 'list', place, items: json.map((item) => nodeFromJson(item, place)) };
  if (typeof json !== 'object' || json === null) return scalar(json as Scalar, scalarText(json as Scalar), place);
  if ('m' in json) {
    const fields = json.m.map(([name, value]) => ({ name, namePlace: place, value: nodeFromJson(value, place) }));
    return { kind: 'map', place, fields };
  }
  const { v, t } = json as { v: Scalar; t: string };
  return scalar(v === null ? notInJson(t) : v, t, place);
}

function notInJson(text: string): number | null {
  if (/^\.nan$/i.test(text)) return Number.NaN;
  if (!/^[-+]?\.inf$/i.test(text)) return null;
  return text.startsWith('-') ? Number.NEGATIVE_INFINITY : Number.POSITIVE_INFINITY;
}

const scalar = (value: Scalar, text: string, place: Place): DocumentNode => ({
  kind: 'scalar',
  place,
  value,
  text,
  placeAt: () => place,
  commented: false,
});
