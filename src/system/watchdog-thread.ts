import { writeSync } from 'node:fs';
import type { Debugger, Runtime } from 'node:inspector';
import { Session } from 'node:inspector/promises';
import { workerData } from 'node:worker_threads';
import type { WatchdogStart } from './watchdog.ts';

/**
 * The thread of the watchdog. It counts its own ticks while the main thread is at one and the same piece of work, and
 * what delays the ticks delays the verdict: it never fires early.
 *
 * The main thread is stopped the way a debugger stops it, which works in the middle of a loop and also tells where it
 * is. Then it is made to exit, since a signal from within does nothing to a process that is number 1 of its container.
 */
const { shared, timeoutMs, exitCode } = workerData as WatchdogStart;
const current = new Int32Array(shared);
const TICK_MS = Math.max(10, Math.min(250, timeoutMs / 10));
/** The main thread has this long to be stopped; after that it is killed. */
const STOP_MS = 1_000;
const FRAMES_MAX = 5;

let before = 0;
let ticks = 0;
const ticking = setInterval(() => {
  const now = Atomics.load(current, 0);
  ticks = now !== 0 && now === before ? ticks + 1 : 0;
  before = now;
  // The first tick at a piece of work may come right after it began.
  if (ticks * TICK_MS < timeoutMs) return;
  clearInterval(ticking);
  endProcess();
}, TICK_MS);

function endProcess(): void {
  setTimeout(() => {
    try {
      say('what it does cannot be told');
    } finally {
      process.kill(process.pid, 'SIGKILL');
    }
  }, STOP_MS);
  stopMain().catch(() => undefined); // the timer is the answer to that
}

async function stopMain(): Promise<void> {
  const session = new Session();
  session.connectToMainThread();
  const urls = new Map<string, string>();
  session.on('Debugger.scriptParsed', ({ params: { scriptId, url } }) => urls.set(scriptId, url));
  const showFrame = ({ functionName, location }: Debugger.CallFrame): string =>
    `${functionName || '(anonymous)'} (${urls.get(location.scriptId)}:${location.lineNumber + 1})`;
  session.on('Debugger.paused', async ({ params: { callFrames } }) => {
    const [frame] = callFrames;
    const evaluate = (expression: string) =>
      session.post('Debugger.evaluateOnCallFrame', { callFrameId: frame!.callFrameId, expression });
    const where = (await evaluate('globalThis.__corralWhere()')) as { result: Runtime.RemoteObject };
    say(`${where.result.value ?? 'unknown work'}; at ${callFrames.slice(0, FRAMES_MAX).map(showFrame).join(', in ')}`);
    await evaluate(`globalThis.process.reallyExit(${exitCode})`);
  });
  await session.post('Debugger.enable');
  await session.post('Debugger.pause');
}

function say(where: string): void {
  const message =
    `a piece of synchronous work has lasted longer than turnTimeout (${timeoutMs} ms), so the process ends: ${where}. ` +
    'See docs/errors.md#turn_timeout.';
  writeSync(2, `${JSON.stringify({ level: 'error', code: 'TURN_TIMEOUT', msg: message })}\n`);
}
