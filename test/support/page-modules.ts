import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { packageRoot } from '../../src/cli/package-root.ts';

/** The modules that a page of the documentation shows, by the file name in their first line. */
export function pageModules(page: string): ReadonlyMap<string, string> {
  const text = readFileSync(join(packageRoot, page), 'utf8');
  const modules = new Map<string, string>();
  for (const [, block = ''] of text.matchAll(/^```ts\n([\s\S]*?)^```/gm)) {
    const name = /^\/\/ ([\w.-]+\.ts)\n/.exec(block)?.[1];
    if (name === undefined) throw new Error(`${page}: a module does not begin with its name, as in // rule.ts`);
    if (modules.has(name)) throw new Error(`${page}: there are two modules ${name}`);
    modules.set(name, block);
  }
  return modules;
}
