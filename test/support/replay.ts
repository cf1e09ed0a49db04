import { spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';

/** The command's entry, as it was built beside this test. */
export const MAIN = fileURLToPath(new URL('../../src/main.js', import.meta.url));

/** An envelope, as far as tests look into it. */
export interface MatchOutput {
  readonly id: string;
  readonly type: string;
  readonly time: string;
  readonly data: {
    readonly rule: string;
    readonly key: unknown;
    readonly kind: string;
    readonly events: readonly { step: string; count: number; refs: readonly { id: string; seq: number }[] }[];
    readonly emit: Readonly<Record<string, unknown>>;
  };
}

export interface CommandResult {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs `corral` as a process of its own. */
export async function corral(...args: readonly string[]): Promise<CommandResult> {
  const child = spawn(process.execPath, [MAIN, ...args], { stdio: ['ignore', 'pipe', 'pipe'] });
  let stdout = '';
  let stderr = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    stdout += text;
  });
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    stderr += text;
  });
  const code = await new Promise<number | null>((resolve, reject) => {
    child.on('error', reject);
    child.on('close', resolve);
  });
  return { code, stdout, stderr };
}

/** Runs `corral replay` and gives its matches in the order printed. @throws when it does not end with exit code 0. */
export async function replay(...args: readonly string[]): Promise<MatchOutput[]> {
  const { code, stdout, stderr } = await corral('replay', ...args);
  if (code !== 0) throw new Error(`corral replay ${args.join(' ')} ended with ${code}:\n${stderr}`);
  return stdout
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line) as MatchOutput);
}
