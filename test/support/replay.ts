import { AsyncLocalStorage } from 'node:async_hooks';
import { spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { CommanderError } from 'commander';
import { corralProgram } from '../../src/cli/program.ts';

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

/**
 * Runs `corral` in this process, which saves the start of another: for commands that are not about processes. What it
 * prints, and the code it would end with, are its result; `serve` and `demo`, which wait for signals, are refused.
 */
export async function corral(...args: readonly string[]): Promise<CommandResult> {
  if (args[0] === 'serve' || args[0] === 'demo') throw new Error(`corral ${args[0]} needs a process: corralProcess`);
  const run: InProcess = { stdout: '', stderr: '' };
  // The exit code is the process's: one at a time.
  const earlier = turn;
  let leave: () => void = () => undefined;
  turn = new Promise((resolve) => (leave = resolve));
  await earlier;
  const before = process.exitCode;
  process.exitCode = undefined;
  try {
    await running.run(run, () => corralProgram().parseAsync([...args], { from: 'user' }));
    return { code: Number(process.exitCode ?? 0), ...run };
  } catch (error) {
    if (error instanceof Exit) return { code: error.exitCode, ...run };
    if (error instanceof CommanderError) return { code: error.exitCode === 0 ? 0 : 2, ...run };
    throw error;
  } finally {
    process.exitCode = before;
    leave();
  }
}

let turn: Promise<void> = Promise.resolve();

/** What a command that runs in this process has printed. */
interface InProcess {
  stdout: string;
  stderr: string;
}

/** Set in everything that such a command does, and in nothing else: the test's own output goes where it always does. */
const running = new AsyncLocalStorage<InProcess>();

class Exit extends Error {
  readonly exitCode: number;
  constructor(exitCode: number) {
    super(`exit ${exitCode}`);
    this.exitCode = exitCode;
  }
}

for (const name of ['stdout', 'stderr'] as const) {
  const stream = process[name];
  const { isTTY } = stream;
  const write = stream.write.bind(stream) as (...args: unknown[]) => boolean;
  Object.defineProperty(stream, 'isTTY', { get: () => (running.getStore() === undefined ? isTTY : undefined) });
  stream.write = ((chunk: string | Uint8Array, ...rest: unknown[]): boolean => {
    const run = running.getStore();
    if (run === undefined) return write(chunk, ...rest);
    run[name] += typeof chunk === 'string' ? chunk : Buffer.from(chunk).toString();
    const done = rest.at(-1);
    if (typeof done === 'function') setImmediate(done as () => void);
    return true;
  }) as typeof stream.write;
}

const exit = process.exit.bind(process);
process.exit = ((code?: number) => {
  if (running.getStore() === undefined) return exit(code);
  throw new Exit(Number(code ?? process.exitCode ?? 0));
}) as typeof process.exit;

/** Runs `corral` as a process of its own. */
export async function corralProcess(...args: readonly string[]): Promise<CommandResult> {
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

/** Runs `corral replay`, in a process so that several may compute at once, and gives its matches in the order printed. @throws when it does not end with exit code 0. */
export async function replay(...args: readonly string[]): Promise<MatchOutput[]> {
  const { code, stdout, stderr } = await corralProcess('replay', ...args);
  if (code !== 0) throw new Error(`corral replay ${args.join(' ')} ended with ${code}:\n${stderr}`);
  return stdout
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line) as MatchOutput);
}
