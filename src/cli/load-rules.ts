import { readFile } from 'node:fs/promises';
import { register } from 'node:module';
import { extname, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { type CompiledRules, type CompileOptions, compileRules } from '../core/rules/compile-rules.ts';
import { Problems, type RuleDocument } from '../core/rules/document.ts';
import { hashText } from '../core/rules/hash.ts';
import { readModule } from '../core/rules/module-document.ts';
import { readYaml } from '../core/rules/yaml-document.ts';

const YAML = new Set(['.yaml', '.yml']);
const MODULES = new Set(['.ts', '.mts', '.js', '.mjs']);

/** Reads and compiles rule files, YAML and modules mixed. All problems of all files come back together. */
export async function loadRules(files: readonly string[], options: CompileOptions): Promise<CompiledRules> {
  const problems = new Problems();
  const documents = await readRuleFiles(files, problems);
  return compileRules(documents, options, problems);
}

/** Reads rule files without compiling them; a file given twice is read once. */
export async function readRuleFiles(files: readonly string[], problems: Problems): Promise<readonly RuleDocument[]> {
  const documents: RuleDocument[] = [];
  const seen = new Set<string>();
  for (const file of files) {
    if (seen.has(resolve(file))) continue;
    seen.add(resolve(file));
    documents.push(...(await readRuleFile(file, problems)));
  }
  return documents;
}

async function readRuleFile(file: string, problems: Problems): Promise<readonly RuleDocument[]> {
  const kind = extname(file);
  const at = { file, line: 1, column: 1 };
  if (!YAML.has(kind) && !MODULES.has(kind)) {
    problems.add('RULE_FILE_KIND', at, `\`${kind}\` files hold no rules`, 'name a .yaml, .yml, .ts, .js or .mjs file');
    return [];
  }
  let text: string;
  try {
    text = await readFile(file, 'utf8');
  } catch (error) {
    problems.add(
      'RULE_FILE_UNREADABLE',
      at,
      `the file cannot be read: ${(error as Error).message}`,
      'name a file that exists and may be read',
    );
    return [];
  }
  return YAML.has(kind) ? readYaml(file, text, problems) : readRuleModule(file, text, problems);
}

let hooked = false;

async function readRuleModule(file: string, text: string, problems: Problems): Promise<readonly RuleDocument[]> {
  if (!hooked) register(new URL('./rule-module-hooks.js', import.meta.url));
  hooked = true;
  // The digest in the address makes an edited file a module of its own.
  const digest = hashText(text);
  const url = pathToFileURL(resolve(file));
  url.searchParams.set('version', digest);
  try {
    const module = (await import(url.href)) as { default?: unknown };
    return readModule(file, module.default, digest, problems);
  } catch (error) {
    problems.add(
      'RULE_MODULE_FAILED',
      failurePlace(file, error),
      `the module cannot be loaded: ${reasonOf(error)}`,
      'correct the module; types are erased, so enums, namespaces and parameter properties are not possible',
    );
    return [];
  }
}

const reasonOf = (error: unknown): string =>
  error instanceof Error ? `${error.name}: ${error.message.split('\n')[0]}` : String(error);

/** Where in the file loading failed, as far as the stack tells. */
function failurePlace(file: string, error: unknown): { file: string; line: number; column: number } {
  const name = pathToFileURL(resolve(file)).href.replace(/[.*+?^${}()|[\]\\]/g, '\\$&');
  const found = new RegExp(`${name}[^\\s:]*:(\\d+)(?::(\\d+))?`).exec(
    error instanceof Error ? (error.stack ?? '') : '',
  );
  return { file, line: Number(found?.[1] ?? 1), column: Number(found?.[2] ?? 1) };
}
