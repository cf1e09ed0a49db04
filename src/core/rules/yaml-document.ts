import {
  type Alias,
  type Document,
  isAlias,
  isMap,
  isScalar,
  isSeq,
  LineCounter,
  type Node,
  parseAllDocuments,
  type Scalar,
  type YAMLError,
} from 'yaml';
import type { DocumentField, DocumentNode, Problems, RuleDocument } from './document.ts';
import type { Place } from './problem.ts';
import { scalarOffset } from './scalar-offset.ts';

/** Most nodes of one document, aliases expanded: an answer to files made to explode. */
const NODES_MAX = 20_000;
const FIX_QUOTE = 'if this is an expression, quote it or use |';

/**
 * Reads a YAML file, which may hold several documents separated by `---`, into trees with places. A document that is no
 * YAML is reported and left out; the others are still read. Empty documents are left out.
 */
export function readYaml(file: string, text: string, problems: Problems): readonly RuleDocument[] {
  const lines = new LineCounter();
  const documents = parseAllDocuments(text, { lineCounter: lines, version: '1.2', schema: 'core', logLevel: 'silent' });
  const placeOf = (offset: number): Place => {
    const { line, col } = lines.linePos(offset);
    return { file, line: Math.max(1, line), column: Math.max(1, col) };
  };
  const list: readonly Document[] = Array.isArray(documents) ? documents : [];
  return list.flatMap((document) => {
    const fatal = document.errors.filter((error) => error.code !== 'DUPLICATE_KEY');
    for (const error of document.errors) {
      if (error.code === 'DUPLICATE_KEY' || error === fatal[0]) reportError(error, text, placeOf, problems);
    }
    for (const warning of document.warnings) reportWarning(warning, text, placeOf, problems);
    const { contents } = document;
    if (fatal.length > 0 || contents === null) return [];
    if (isScalar(contents) && contents.value === null && contents.tag === undefined) return [];
    const convert = converter(document, text, placeOf, problems);
    return [{ root: convert(contents as Node, 0), digest: undefined }];
  });
}

type PlaceOf = (offset: number) => Place;

function reportError(error: YAMLError, text: string, placeOf: PlaceOf, problems: Problems): void {
  const [start] = error.pos;
  const message = (error.message.split('\n')[0] ?? '').replace(/ at line \d+, column \d+:?$/, '');
  if (error.code === 'DUPLICATE_KEY') {
    problems.add(
      'RULE_FIELD_TWICE',
      placeOf(start),
      `the field \`${wordAt(text, start)}\` stands twice`,
      'remove one of the two',
    );
    return;
  }
  const fix = error.code === 'TAB_AS_INDENT' ? 'indent with blanks' : `correct the YAML; ${FIX_QUOTE}`;
  problems.add('RULE_YAML', placeOf(start), `this is no YAML: ${message}`, fix);
}

const wordAt = (text: string, start: number): string => /^[^\s:]*/.exec(text.slice(start, start + 80))?.[0] ?? '';

function reportWarning(warning: YAMLError, text: string, placeOf: PlaceOf, problems: Problems): void {
  const [start] = warning.pos;
  if (warning.code !== 'TAG_RESOLVE_FAILED') {
    problems.add('RULE_YAML', placeOf(start), warning.message.split('\n')[0] ?? '', 'correct the YAML');
    return;
  }
  const written = (/^[^\n]*/.exec(text.slice(start))?.[0] ?? '').replace(/\s+#.*$/, '').trimEnd();
  const tag = /^\S*/.exec(written)?.[0] ?? '';
  problems.add(
    'EXPRESSION_TAG',
    placeOf(start),
    `YAML takes \`${tag}\` for a tag, so the \`!\` is lost`,
    `quote it, or use |: "${written.replaceAll('"', '\\"')}"`,
  );
}

function converter(
  document: Document,
  text: string,
  placeOf: PlaceOf,
  problems: Problems,
): (node: Node | null, at: number) => DocumentNode {
  let nodes = 0;
  let tooMany = false;

  function convert(node: Node | null, at: number): DocumentNode {
    const start = node?.range?.[0] ?? at;
    const place = placeOf(start);
    if (++nodes > NODES_MAX) {
      if (!tooMany)
        problems.add(
          'RULE_TOO_LARGE',
          place,
          `the document has more than ${NODES_MAX} parts`,
          'split it, and mind what aliases repeat',
        );
      tooMany = true;
      return { kind: 'broken', place };
    }
    if (node === null) return { kind: 'scalar', place, value: null, text: '', placeAt: () => place, commented: false };
    if (isAlias(node)) return convertAlias(node, place);
    if (node.tag?.startsWith('!') === true) return { kind: 'broken', place };
    if (isSeq(node)) return { kind: 'list', place, items: node.items.map((item) => convert(item as Node, start)) };
    if (isMap(node))
      return {
        kind: 'map',
        place,
        fields: node.items.flatMap((pair) => convertField(pair.key as Node, pair.value as Node | null)),
      };
    return convertScalar(node as Scalar, place);
  }

  function convertAlias(node: Alias, place: Place): DocumentNode {
    const target = node.resolve(document);
    if (target !== undefined) return convert(target, 0);
    problems.add(
      'RULE_YAML',
      place,
      `there is no anchor \`&${node.source}\``,
      `name an anchor, or quote it: "*${node.source}"`,
    );
    return { kind: 'broken', place };
  }

  function convertField(key: Node | null, value: Node | null): DocumentField[] {
    const start = key?.range?.[0] ?? 0;
    const namePlace = placeOf(start);
    if (!isScalar(key)) {
      problems.add('RULE_TYPE', namePlace, 'a field has a text as its name', 'write name: value');
      return [];
    }
    return [{ name: String(key.value), namePlace, value: convert(value, key.range?.[1] ?? start) }];
  }

  function convertScalar(node: Scalar, place: Place): DocumentNode {
    const { value } = node;
    const plain = node.type === 'PLAIN' || node.type === undefined;
    const commented = plain && node.comment !== undefined && node.comment !== null;
    const known = typeof value === 'string' || typeof value === 'number' || typeof value === 'boolean' ? value : null;
    const written = typeof value === 'string' ? value : (node.source ?? '');
    return {
      kind: 'scalar',
      place,
      value: known,
      text: written,
      commented,
      placeAt: (offset) => placeOf(scalarOffset(text, node, offset)),
    };
  }

  return convert;
}
