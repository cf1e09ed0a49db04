import { fork } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { RULE } from './event-maker.ts';
import { compile, openStage } from './stage.ts';

/** From publishing an event to receiving the match it completes, at a given load. */
export interface LatencyResult {
  readonly rate: number;
  readonly matches: number;
  readonly p50: number;
  readonly p90: number;
  readonly p99: number;
  readonly max: number;
}

/** Every event is a match, so that each measures the whole path; few enough to leave the relay idle. */
const PROBE_RULE = `
rule: probe
from: payments
key: event.card
pattern:
  - begin: probe
    type: Probe
limits: {partialMatches: 10}
emit: {sent: "\${probe.sent}"}
---`;

/**
 * A process of its own publishes at fixed intended times, whatever happens (open loop): latency is counted from the
 * intended time, so a stall shows in every event that had to wait for it.
 * @param rate background events a second; probes are added at 100 a second
 */
export async function latency(rate: number, seconds: number): Promise<LatencyResult> {
  const stage = await openStage();
  try {
    const corral = await stage.startNode(compile(PROBE_RULE + RULE));
    while (corral.measures.node.recoveries < 64) await new Promise((resolve) => setTimeout(resolve, 10));
    const delays: number[] = [];
    stage.link.client.subscribe('corral.match.probe.>', {
      callback: (_, message) => {
        const { data } = message.json<{ data: { emit: { sent: number } } }>();
        delays.push(performance.timeOrigin + performance.now() - data.emit.sent);
      },
    });
    const publisher = fork(fileURLToPath(new URL('./open-loop.js', import.meta.url)), [
      stage.url,
      String(rate),
      String(seconds),
    ]);
    await new Promise((resolve, reject) => {
      publisher.once('exit', (code) =>
        code === 0 ? resolve(code) : reject(new Error(`publisher ended with ${code}`)),
      );
    });
    const source = corral.measures.sources.get('payments')!;
    while (corral.measures.node.eventsCommitted < source.eventsRouted)
      await new Promise((resolve) => setTimeout(resolve, 10));
    await new Promise((resolve) => setTimeout(resolve, 200));
    await corral.drain();
    // The first second warms the process up.
    const sorted = delays.slice(100).sort((a, b) => a - b);
    const at = (part: number) => sorted[Math.min(sorted.length - 1, Math.ceil(part * sorted.length) - 1)]!;
    return { rate, matches: sorted.length, p50: at(0.5), p90: at(0.9), p99: at(0.99), max: at(1) };
  } finally {
    await stage.close();
  }
}
