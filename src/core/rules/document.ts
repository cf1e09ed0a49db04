import type { Place, Problem } from './problem.ts';

/**
 * What a rule file says, as a tree with places, before anything is known of rules: the same whether it came from YAML
 * or from a module. A node that could not be read is `broken`: its problem is reported already, so readers pass over it.
 */
export type DocumentNode = MapNode | ListNode | ScalarNode | FunctionNode | BrokenNode;

export interface MapNode {
  readonly kind: 'map';
  readonly place: Place;
  readonly fields: readonly DocumentField[];
}

export interface DocumentField {
  readonly name: string;
  readonly namePlace: Place;
  readonly value: DocumentNode;
}

export interface ListNode {
  readonly kind: 'list';
  readonly place: Place;
  readonly items: readonly DocumentNode[];
}

export interface ScalarNode {
  readonly kind: 'scalar';
  readonly place: Place;
  readonly value: string | number | boolean | null;
  /** The scalar as text: what an expression or template is read from. */
  readonly text: string;
  /** Where the character at an offset of `text` stands in the file. */
  readonly placeAt: (offset: number) => Place;
  /** True when a comment follows on the same line: YAML has cut the text there. */
  readonly commented: boolean;
}

/** A function of a module, in the place of an expression. */
export interface FunctionNode {
  readonly kind: 'function';
  readonly place: Place;
  readonly run: (...args: unknown[]) => unknown;
}

export interface BrokenNode {
  readonly kind: 'broken';
  readonly place: Place;
}

/** One rule or definition as found in a file. */
export interface RuleDocument {
  readonly root: DocumentNode;
  /**
   * Digest of the module's text; undefined for YAML. Part of the version of rules with functions, since a function's
   * own text does not show what it calls.
   */
  readonly digest: string | undefined;
  /** What the module exports; undefined for YAML. Rules that are code run it as it is. */
  readonly exported?: unknown;
}

/** Collects everything wrong with some files, in the order found. */
export class Problems {
  readonly list: Problem[] = [];
  /** How often `add` was called: it grows with each, where `list` has a problem of a definition once for all its uses. */
  added = 0;

  add(code: string, { use, ...at }: Place, message: string, fix: string): void {
    this.added++;
    if (use === undefined) {
      this.list.push({ code, at, message, fix });
      return;
    }
    const uses: Place[] = [];
    for (let one: Place | undefined = use; one !== undefined; one = one.use) {
      const { file, line, column } = one;
      uses.push({ file, line, column });
    }
    const index = this.list.findIndex((one) => one.code === code && one.message === message && same(one.at, at));
    const known = this.list[index];
    if (known === undefined) {
      this.list.push({ code, at, message, fix, usedAt: uses });
      return;
    }
    const { usedAt = [] } = known;
    this.list[index] = { ...known, usedAt: [...usedAt, ...uses.filter((one) => !usedAt.some((by) => same(by, one)))] };
  }

  /** By file as given, then by line and column. */
  sorted(): readonly Problem[] {
    const files = [...new Set(this.list.map(({ at }) => at.file))];
    return [...this.list].sort(
      (a, b) =>
        files.indexOf(a.at.file) - files.indexOf(b.at.file) || a.at.line - b.at.line || a.at.column - b.at.column,
    );
  }
}

const same = (a: Place, b: Place): boolean => a.file === b.file && a.line === b.line && a.column === b.column;

/** A plain value as text, as a YAML file would have it. */
export const scalarText = (value: string | number | boolean | null): string => (value === null ? '' : String(value));
