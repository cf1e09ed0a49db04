import { existsSync, readFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { type Config, resolveConfig } from '../config.ts';
import type { Problem } from '../core/rules/problem.ts';
import type { Given } from './overlay.ts';
import { isGiven } from './overlay.ts';
import { ruleFiles } from './rule-files.ts';

/** Read when neither --config nor CORRAL_CONFIG names a file. */
export const DEFAULT_FILE = 'corral.yaml';

export type LoadedConfig =
  | {
      readonly ok: true;
      readonly config: Config;
      readonly file: string | undefined;
      readonly ruleFiles: readonly string[];
    }
  | { readonly ok: false; readonly problems: readonly Problem[] };

export interface LoadOptions {
  /** What --config names. */
  readonly file: string | undefined;
  readonly flags: Given;
  readonly environment: Readonly<Record<string, string | undefined>>;
  /** Rule files named on the command line, in the place of `rules`. */
  readonly rules?: readonly string[] | undefined;
}

/** Reads the configuration file, resolves it with flags and variables, and finds the rule files that it names. */
export function loadConfig({ file: flag, flags, environment, rules }: LoadOptions): LoadedConfig {
  const path =
    flag ?? (environment.CORRAL_CONFIG || undefined) ?? (existsSync(DEFAULT_FILE) ? DEFAULT_FILE : undefined);
  const at = { file: path ?? DEFAULT_FILE, line: 1, column: 1 };
  if (path === undefined) {
    const fix = 'write one, or name it with --config or CORRAL_CONFIG';
    return { ok: false, problems: [{ code: 'CONFIG_MISSING', at, message: `there is no ${DEFAULT_FILE} here`, fix }] };
  }
  let text: string;
  try {
    text = readFileSync(path, 'utf8');
  } catch (cause) {
    const message = `the configuration cannot be read: ${cause instanceof Error ? cause.message : String(cause)}`;
    return { ok: false, problems: [{ code: 'CONFIG_MISSING', at, message, fix: 'name a file that can be read' }] };
  }
  const resolved = resolveConfig({
    file: { path, text },
    flags,
    environment,
    rules: rules?.length === 0 ? undefined : rules,
  });
  if (!resolved.ok) return resolved;
  const problems: Problem[] = [];
  const files = resolved.config.rules.flatMap(({ pattern, at: place }) => {
    // Paths in the file are relative to it; those of flags and variables to where one is.
    const found = ruleFiles(isGiven(place) ? '.' : dirname(path), pattern);
    if (found.length === 0) {
      const message = `\`${pattern}\` names no rule file`;
      problems.push({
        code: 'CONFIG_RULES',
        at: place,
        message,
        fix: 'name files, folders or patterns that hold rules',
      });
    }
    return found;
  });
  if (problems.length > 0) return { ok: false, problems };
  return { ok: true, config: resolved.config, file: path, ruleFiles: [...new Set(files)] };
}
