import { existsSync, readFileSync } from 'node:fs';
import { type DeploymentResult, resolveDeployment } from '../config.ts';
import { DEFAULT_FILE, type LoadOptions } from './load-config.ts';

/**
 * Where a deployment is, from the configuration file if there is one, flags and variables. Only a file that was named
 * and cannot be read is a problem.
 */
export function loadDeployment({ file: flag, flags, environment }: Omit<LoadOptions, 'rules'>): DeploymentResult {
  const named = flag ?? (environment.CORRAL_CONFIG || undefined);
  const path = named ?? (existsSync(DEFAULT_FILE) ? DEFAULT_FILE : undefined);
  if (path === undefined) return resolveDeployment({ file: undefined, flags, environment });
  let text: string;
  try {
    text = readFileSync(path, 'utf8');
  } catch (cause) {
    const message = `the configuration cannot be read: ${cause instanceof Error ? cause.message : String(cause)}`;
    const at = { file: path, line: 1, column: 1 };
    return { ok: false, problems: [{ code: 'CONFIG_MISSING', at, message, fix: 'name a file that can be read' }] };
  }
  return resolveDeployment({ file: { path, text }, flags, environment });
}
