import { type Dirent, readdirSync, statSync } from 'node:fs';
import { isAbsolute, join, relative, resolve, sep } from 'node:path';

/** What is taken from a folder. Type declarations are no rules, and corral.yaml is the configuration beside them. */
const RULE_FILE = /^(?!corral\.ya?ml$).*(?<!\.d)\.(ya?ml|m?[jt]s)$/;

/**
 * The files that a path, a folder or a pattern (`*`, `?` within a name, `**` over folders) names, sorted; a path that
 * is neither pattern nor folder is given back as it is, so that whoever reads it reports that it is missing.
 * @param base folder that relative ones start from
 */
export function ruleFiles(base: string, pattern: string): readonly string[] {
  const full = isAbsolute(pattern) ? pattern : join(base, pattern);
  const parts = resolve(full).split(sep);
  const firstWild = parts.findIndex((part) => /[*?]/.test(part));
  if (firstWild >= 0) return matching(parts.slice(0, firstWild).join(sep) || sep, parts.slice(firstWild)).map(shown);
  if (!isFolder(full)) return [shown(full)];
  return entries(full)
    .filter((entry) => entry.isFile() && RULE_FILE.test(entry.name))
    .map((entry) => shown(join(full, entry.name)));
}

function matching(folder: string, parts: readonly string[]): string[] {
  const [part = '', ...rest] = parts;
  if (part === '**') {
    const deeper = entries(folder)
      .filter((entry) => entry.isDirectory() && entry.name !== 'node_modules' && !entry.name.startsWith('.'))
      .flatMap((entry) => matching(join(folder, entry.name), parts));
    return [...(rest.length === 0 ? [] : matching(folder, rest)), ...deeper].sort();
  }
  const expression = new RegExp(
    `^${part
      .replace(/[.+^${}()|[\]\\]/g, '\\$&')
      .replaceAll('*', '[^/]*')
      .replaceAll('?', '[^/]')}$`,
  );
  const fitting = entries(folder).filter((entry) => expression.test(entry.name));
  if (rest.length === 0) return fitting.filter((entry) => !entry.isDirectory()).map(({ name }) => join(folder, name));
  return fitting.filter((entry) => !entry.isFile()).flatMap(({ name }) => matching(join(folder, name), rest));
}

/** A folder that is not there holds nothing: the caller says that the pattern named no file. */
function entries(folder: string): Dirent[] {
  if (!isFolder(folder)) return [];
  return readdirSync(folder, { withFileTypes: true }).sort((a, b) => (a.name < b.name ? -1 : 1));
}

const isFolder = (path: string): boolean => statSync(path, { throwIfNoEntry: false })?.isDirectory() ?? false;

/** Paths below the working folder are shown relative to it. */
function shown(path: string): string {
  const near = relative(process.cwd(), path);
  return near.startsWith('..') || near === '' ? path : near;
}
