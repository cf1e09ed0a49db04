import { DEPTH_MAX } from './limits.ts';

/**
 * What keeps a value from being written as JSON without loss: a phrase that names the place and the value ("holds a
 * BigInt at amount.total"), or undefined when nothing does. NaN, infinities and undefined fields pass: JSON has an
 * answer for them that is widely known. Objects with `toJSON` (dates) pass as what they give.
 */
export function unencodable(value: unknown): string | undefined {
  const found = search(value, 1);
  return found && `holds ${found.what}${found.path.length > 0 ? ` at ${found.path.reverse().join('.')}` : ''}`;
}

/** What was found, and where, innermost name first. */
interface Found {
  readonly what: string;
  readonly path: string[];
}

function search(value: unknown, depth: number): Found | undefined {
  if (typeof value !== 'object') {
    if (typeof value === 'bigint') return { what: 'a BigInt', path: [] };
    if (typeof value === 'function' || typeof value === 'symbol') return { what: `a ${typeof value}`, path: [] };
    return undefined;
  }
  if (value === null) return undefined;
  if (depth > DEPTH_MAX) return { what: `more than ${DEPTH_MAX} levels, or itself,`, path: [] };
  if (Array.isArray(value)) {
    for (let i = 0; i < value.length; i++) {
      const found = search(value[i], depth + 1);
      if (found !== undefined) return located(found, String(i));
    }
    return undefined;
  }
  if (value instanceof Map || value instanceof Set) return { what: `a ${value.constructor.name}`, path: [] };
  if (ArrayBuffer.isView(value) || value instanceof ArrayBuffer) return { what: 'binary', path: [] };
  const fields = value as Readonly<Record<string, unknown>>;
  if (typeof fields.toJSON === 'function') return undefined;
  for (const name of Object.keys(fields)) {
    const found = search(fields[name], depth + 1);
    if (found !== undefined) return located(found, name);
  }
  return undefined;
}

function located(found: Found, name: string): Found {
  // A cycle would give 64 names that all repeat; the outermost few say where it is.
  found.path.push(name);
  if (found.path.length > 8) found.path.shift();
  return found;
}
