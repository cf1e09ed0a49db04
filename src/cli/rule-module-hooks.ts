import { readFile } from 'node:fs/promises';
import type { LoadHook, ResolveHook } from 'node:module';
import { fileURLToPath } from 'node:url';
import { transformSync } from 'amaro';

/**
 * Node's module hooks while rule modules are loaded. TypeScript is loaded by erasing its types, which keeps every line
 * and column, and `corral/rules` means this very package wherever the rule file lies, be it a copy of the sources that
 * was compiled elsewhere.
 */
const OWN: Readonly<Record<string, string>> = {
  'corral/rules': new URL('../rules-module.js', import.meta.url).href,
  'corral/testing': new URL('../testing-module.js', import.meta.url).href,
};

export const resolve: ResolveHook = (specifier, context, next) => {
  const url = OWN[specifier];
  return url === undefined ? next(specifier, context) : { url, format: 'module', shortCircuit: true };
};

export const load: LoadHook = async (url, context, next) => {
  if (!url.startsWith('file:') || !/\.[mc]?ts$/.test(new URL(url).pathname)) return next(url, context);
  const text = await readFile(fileURLToPath(url), 'utf8');
  const { code } = transformSync(text, { mode: 'strip-only' });
  return { format: 'module', source: `${code}\n//# sourceURL=${url}`, shortCircuit: true };
};
