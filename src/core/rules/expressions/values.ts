/** Names a value's type as messages call it. */
export function typeOf(value: unknown): string {
  switch (typeof value) {
    case 'number':
      return 'a number';
    case 'string':
      return 'a string';
    case 'boolean':
      return 'a boolean';
    case 'undefined':
      return 'null';
    case 'object':
      if (value === null) return 'null';
      if (Array.isArray(value)) return 'a list';
      return isMap(value) ? 'a map' : 'a value of no known type';
    default:
      return 'a value of no known type';
  }
}

export type PlainMap = Readonly<Record<string, unknown>>;

/** Data is plain: any object that is no list and no bytes is a map. */
export function isMap(value: unknown): value is PlainMap {
  return typeof value === 'object' && value !== null && !Array.isArray(value) && !ArrayBuffer.isView(value);
}

/** Names that every plain object inherits; only these need the own-property check, all others cannot be inherited. */
const INHERITED = new Set(Object.getOwnPropertyNames(Object.prototype));

/** A field's reader; see `fieldReader`. */
export type ReadField = (value: unknown) => unknown;

/**
 * Reads one field as `fieldOf` does, faster: what an object, a list or bytes could inherit or have by nature is decided
 * here by the name, so that for all other names a plain read can only find the map's own field.
 */
export function fieldReader(name: string): ReadField {
  const risky = INHERITED.has(name) || name in Array.prototype || name in Uint8Array.prototype || /^\d+$/.test(name);
  if (risky) return (value) => fieldOf(value, name);
  return (value) =>
    typeof value === 'object' && value !== null ? ((value as Record<string, unknown>)[name] ?? null) : null;
}

/** An own field of a map; null when it is missing, or when the value is no map. Never reads a prototype. */
export function fieldOf(value: unknown, name: string): unknown {
  if (!isMap(value)) return null;
  if (INHERITED.has(name) && !Object.hasOwn(value, name)) return null;
  const field = value[name];
  return field === undefined ? null : field;
}

/** True when the map has the field itself, even as null. */
export function hasField(value: unknown, name: string): boolean {
  return isMap(value) && Object.hasOwn(value, name) && value[name] !== undefined;
}

/** How deep two values are compared; deeper ones count as different, so that a hostile value costs no stack. */
const DEPTH_MAX = 100;

/** Equality by value and type over anything: numbers, strings, booleans, null, lists, maps. NaN equals nothing. */
export function equal(a: unknown, b: unknown, depth = 0): boolean {
  if (a === b) return true;
  if (a === null || a === undefined || b === null || b === undefined) return (a ?? null) === (b ?? null);
  if (typeof a !== 'object' || typeof b !== 'object' || depth > DEPTH_MAX) return false;
  if (Array.isArray(a)) {
    if (!Array.isArray(b) || a.length !== b.length) return false;
    for (let index = 0; index < a.length; index++) if (!equal(a[index], b[index], depth + 1)) return false;
    return true;
  }
  if (!isMap(a) || !isMap(b)) return false;
  const names = Object.keys(a);
  if (names.length !== Object.keys(b).length) return false;
  for (const name of names) if (!Object.hasOwn(b, name) || !equal(a[name], b[name], depth + 1)) return false;
  return true;
}

/** How a value reads inside a text: strings as they are, lists and maps as JSON. Undefined when it has no text. */
export function textOf(value: unknown): string | undefined {
  switch (typeof value) {
    case 'string':
      return value;
    case 'number':
    case 'boolean':
      return String(value);
    case 'undefined':
      return 'null';
    case 'object':
      if (value === null) return 'null';
      return Array.isArray(value) || isMap(value) ? jsonText(value) : undefined;
    default:
      return undefined;
  }
}

/** Data may come from a module's function, so it can be cyclic or hold what JSON has no text for. */
function jsonText(value: object): string | undefined {
  try {
    return JSON.stringify(value);
  } catch {
    return undefined;
  }
}
