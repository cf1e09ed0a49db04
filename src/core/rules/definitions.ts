import { suggestion } from './did-you-mean.ts';
import type { DocumentNode, MapNode, Problems, RuleDocument } from './document.ts';
import { FieldReader } from './field-reader.ts';
import type { Place } from './problem.ts';

/**
 * Definitions: parts of patterns with a name of their own, which rules and other definitions use. A use stands for the
 * group of the definition's steps, read anew for each use, with every place in it knowing where that use stands. So a
 * mistake in a definition is found where it stands and told with the uses it matters to, and a rule means the same (and
 * has the same version) as if the steps were written in it.
 *
 * Invariant: `find` gives no definition that leads back to itself, so that following uses always ends.
 */
export interface Definition {
  readonly name: string;
  readonly namePlace: Place;
  /** The list under `steps`; undefined when there is none, which is reported. */
  readonly steps: DocumentNode | undefined;
  /** Digest of the module it comes from; undefined for YAML and for definitions without functions. */
  readonly digest: string | undefined;
}

const NAME = /^[A-Za-z0-9][A-Za-z0-9_-]{0,63}$/;

/** True for a document that is a definition and no rule. */
export const isDefinition = ({ root }: RuleDocument): boolean =>
  root.kind === 'map' && root.fields.some(({ name }) => name === 'define');

export class Definitions {
  private readonly byName = new Map<string, Definition>();
  /** Names of those that lead back to themselves. */
  private readonly circular = new Set<string>();
  private readonly found = new Set<string>();

  /** Reads the definitions among the documents of a deployment, and reports what is wrong with them as a whole. */
  constructor(documents: readonly RuleDocument[], problems: Problems) {
    for (const document of documents) {
      if (document.root.kind === 'map' && isDefinition(document)) this.add(document, document.root, problems);
    }
    for (const { name } of this.byName.values()) this.checkCircle(name, problems);
  }

  /** All of them, in the order of the documents. */
  get all(): readonly Definition[] {
    return [...this.byName.values()];
  }

  /** Those that nothing has asked for. */
  get unused(): readonly Definition[] {
    return this.all.filter(({ name }) => !this.found.has(name));
  }

  /** The definition a use names; undefined when it cannot be used, which is reported. */
  find(name: string, at: Place, problems: Problems): Definition | undefined {
    this.found.add(name);
    const definition = this.byName.get(name);
    if (definition === undefined) {
      const otherwise =
        this.byName.size === 0
          ? 'add a document with `define: name` and `steps:`, or name the file that has it'
          : `name one of: ${[...this.byName.keys()].join(', ')}`;
      const fix = suggestion(name, this.byName.keys(), otherwise);
      problems.add('DEFINITION_UNKNOWN', at, `there is no definition \`${name}\``, fix);
      return undefined;
    }
    if (definition.steps !== undefined && !this.circular.has(name)) return definition;
    // Reported where it stands; whoever uses it cannot be judged either.
    problems.added++;
    return undefined;
  }

  private add(document: RuleDocument, root: MapNode, problems: Problems): void {
    const reader = new FieldReader(root, 'a definition', problems);
    const name = reader.text('define');
    const namePlace = reader.get('define')?.place ?? root.place;
    reader.text('description');
    const steps = reader.get('steps');
    if (!reader.has('steps')) {
      const fix = 'write `steps:` and a list that starts with `- begin: name`';
      problems.add('DEFINITION_STEPS', root.place, 'the definition has no `steps`', fix);
    }
    reader.rest(['define', 'description', 'steps'], (field) =>
      field === 'rule'
        ? {
            code: 'DEFINITION_NAME',
            message: 'a document is a rule or a definition, not both',
            fix: 'put the definition into a document of its own, after `---`',
          }
        : undefined,
    );
    if (name === undefined) return;
    if (!NAME.test(name)) {
      const fix = 'take 1 to 64 letters, digits, - and _, starting with a letter or digit';
      problems.add('DEFINITION_NAME', namePlace, `\`${name}\` cannot be a definition's name`, fix);
      return;
    }
    const other = this.byName.get(name);
    if (other !== undefined) {
      const message = `there are two definitions \`${name}\`, the first in ${other.namePlace.file}:${other.namePlace.line}`;
      problems.add('DEFINITION_NAME', namePlace, message, 'rename one of them');
      return;
    }
    const digest = steps !== undefined && hasFunctions(steps) ? document.digest : undefined;
    this.byName.set(name, { name, namePlace, steps, digest });
  }

  /** Follows uses from a definition; the use that closes a circle is reported, once for the circle. */
  private checkCircle(start: string, problems: Problems): void {
    const seen = new Set([start]);
    const visit = (name: string, path: readonly string[]): boolean => {
      const steps = this.byName.get(name)?.steps;
      for (const { name: next, place } of steps === undefined ? [] : usesIn(steps)) {
        if (next === start) {
          if (![...path, name].some((one) => this.circular.has(one))) {
            const circle = [...path, name, start].map((one) => `\`${one}\``).join(', which uses ');
            const message = `a definition cannot lead back to itself: ${circle}`;
            problems.add('DEFINITION_CIRCLE', place, message, 'take one of these uses out');
          }
          return true;
        }
        if (seen.has(next)) continue;
        seen.add(next);
        if (visit(next, [...path, name])) return true;
      }
      return false;
    };
    if (visit(start, [])) this.circular.add(start);
  }
}

/** Every `use: name` in a tree. */
function usesIn(node: DocumentNode): readonly { readonly name: string; readonly place: Place }[] {
  if (node.kind === 'list') return node.items.flatMap(usesIn);
  if (node.kind !== 'map') return [];
  return node.fields.flatMap(({ name, value }) =>
    name === 'use' && value.kind === 'scalar' ? [{ name: value.text, place: value.place }] : usesIn(value),
  );
}

/** A copy of a tree in which every place says where the use stands that it is read for. */
export function readFor(use: Place, node: DocumentNode): DocumentNode {
  const moved = (place: Place): Place => ({ ...place, use });
  const place = moved(node.place);
  switch (node.kind) {
    case 'map': {
      const fields = node.fields.map(({ name, namePlace, value }) => ({
        name,
        namePlace: moved(namePlace),
        value: readFor(use, value),
      }));
      return { kind: 'map', place, fields };
    }
    case 'list':
      return { kind: 'list', place, items: node.items.map((item) => readFor(use, item)) };
    case 'scalar':
      return { ...node, place, placeAt: (offset) => moved(node.placeAt(offset)) };
    default:
      return { ...node, place };
  }
}

/** True when a function stands somewhere in the tree. */
export function hasFunctions(node: DocumentNode): boolean {
  if (node.kind === 'map') return node.fields.some(({ value }) => hasFunctions(value));
  return node.kind === 'list' ? node.items.some(hasFunctions) : node.kind === 'function';
}
