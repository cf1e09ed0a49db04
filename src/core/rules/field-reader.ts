import { DURATION_FORM, parseDuration } from '../time/parse-duration.ts';
import { type DurationMs, duration } from '../time/units.ts';
import { closest, listed } from './did-you-mean.ts';
import type { DocumentNode, MapNode, Problems } from './document.ts';
import type { Place } from './problem.ts';

/** Names what a node is, for messages. */
export function nodeName(node: DocumentNode): string {
  if (node.kind === 'scalar')
    return node.value === null
      ? 'nothing'
      : typeof node.value === 'string'
        ? `\`${node.text}\``
        : `the ${typeof node.value} ${node.text}`;
  return node.kind === 'function' ? 'a function' : `a ${node.kind}`;
}

/** Reads the fields of one map: each at most once, unknown ones reported at the end. Broken nodes read as absent. */
export class FieldReader {
  readonly place: Place;
  private readonly node: MapNode;
  private readonly what: string;
  private readonly problems: Problems;
  private readonly read = new Set<string>();

  /** @param what the map is called in messages: "a rule", "a step" */
  constructor(node: MapNode, what: string, problems: Problems) {
    this.node = node;
    this.place = node.place;
    this.what = what;
    this.problems = problems;
  }

  has(name: string): boolean {
    return this.node.fields.some((field) => field.name === name);
  }

  /** The field's value, undefined when it is absent or broken. */
  get(name: string): DocumentNode | undefined {
    this.read.add(name);
    const value = this.node.fields.find((field) => field.name === name)?.value;
    return value?.kind === 'broken' ? undefined : value;
  }

  /** Where the field's name stands; the map's own place when it is absent. */
  placeOf(name: string): Place {
    return this.node.fields.find((field) => field.name === name)?.namePlace ?? this.place;
  }

  wrong(node: DocumentNode, name: string, wanted: string, fix: string): undefined {
    this.problems.add('RULE_TYPE', node.place, `\`${name}\` is ${nodeName(node)}, not ${wanted}`, fix);
    return undefined;
  }

  text(name: string): string | undefined {
    const node = this.get(name);
    if (node === undefined) return undefined;
    if (node.kind === 'scalar' && node.value !== null && node.text !== '') return node.text;
    return this.wrong(node, name, 'a text', `write a text after \`${name}:\``);
  }

  flag(name: string): boolean {
    const node = this.get(name);
    if (node === undefined) return false;
    if (node.kind === 'scalar' && typeof node.value === 'boolean') return node.value;
    this.wrong(node, name, 'true or false', `write \`${name}: true\``);
    return false;
  }

  integer(name: string, least: number): number | undefined {
    const node = this.get(name);
    if (node === undefined) return undefined;
    if (
      node.kind === 'scalar' &&
      typeof node.value === 'number' &&
      Number.isSafeInteger(node.value) &&
      node.value >= least
    )
      return node.value;
    return this.wrong(
      node,
      name,
      `a whole number of at least ${least}`,
      `write such a number, as in \`${name}: ${Math.max(least, 5)}\``,
    );
  }

  oneOf<Name extends string>(name: string, names: readonly Name[]): Name | undefined {
    const node = this.get(name);
    if (node === undefined) return undefined;
    const found = node.kind === 'scalar' ? names.find((one) => one === node.value) : undefined;
    return found ?? this.wrong(node, name, `one of ${listed(names)}`, `write ${listed(names)}`);
  }

  /** A length of time above zero. */
  duration(name: string): DurationMs | undefined {
    const node = this.get(name);
    if (node === undefined) return undefined;
    const length = node.kind === 'scalar' && typeof node.value === 'string' ? parseDuration(node.text) : undefined;
    if (length === undefined) {
      const bare = node.kind === 'scalar' && typeof node.value === 'number';
      const fix = bare
        ? `add a unit: \`${name}: ${node.text}s\` or \`${name}: ${node.text}ms\``
        : `give \`${name}\` ${DURATION_FORM}`;
      this.problems.add('RULE_DURATION', node.place, `\`${name}\` is ${nodeName(node)}, not a duration`, fix);
      return undefined;
    }
    if (length > 0) return length;
    this.problems.add(
      'RULE_DURATION',
      node.place,
      `\`${name}\` is 0 ms, so no two events can fall inside it`,
      `give \`${name}\` ${DURATION_FORM}`,
    );
    return undefined;
  }

  /** A length of time that may be 0, and negative: `-5m`. */
  signedDuration(name: string): DurationMs | undefined {
    const node = this.get(name);
    if (node === undefined) return undefined;
    if (node.kind === 'scalar' && node.value === 0) return duration(0);
    const text = node.kind === 'scalar' && typeof node.value === 'string' ? node.text : '';
    const length = parseDuration(text.replace(/^[-+]/, ''));
    if (length !== undefined) return duration(text.startsWith('-') && length > 0 ? -length : length);
    const bare = node.kind === 'scalar' && typeof node.value === 'number';
    const fix = bare
      ? `add a unit: \`${name}: ${node.text}s\` or \`${name}: ${node.text}ms\``
      : `give \`${name}\` ${DURATION_FORM}, 0, or one of these with a minus sign`;
    this.problems.add('RULE_DURATION', node.place, `\`${name}\` is ${nodeName(node)}, not a duration`, fix);
    return undefined;
  }

  /** Reports every field that no one has read. `elsewhere` says of fields that belong to another place what to do. */
  rest(
    known: readonly string[],
    elsewhere: (name: string) => { message: string; fix: string; code: string } | undefined = () => undefined,
  ): void {
    for (const field of this.node.fields) {
      if (this.read.has(field.name)) continue;
      const other = elsewhere(field.name);
      if (other !== undefined) {
        this.problems.add(other.code, field.namePlace, other.message, other.fix);
        continue;
      }
      const near = closest(field.name, known);
      const fix =
        near === undefined ? `remove it; ${this.what} has ${listed(known, 'and')}` : `did you mean \`${near}\`?`;
      this.problems.add('RULE_FIELD_UNKNOWN', field.namePlace, `${this.what} has no field \`${field.name}\``, fix);
    }
  }
}
