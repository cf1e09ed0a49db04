import type { SeededRandom } from './random.ts';
import { type Fault, type Phase, SITES, type Site, Strikes, siteName } from './sites.ts';

const BUSY = ['shardLog.append', 'journal.append', 'shardLog.next', 'source.next', 'lease.write'];

/** Calls that many runs never come to. */
const RARE = ['shardLog.close', 'source.close', 'source.sequenceAt', 'lease.release', 'side.append', 'side.last'];

/** What faults are aimed at: rare calls get more of them, so that each is struck all the same. */
const AIMS = SITES.flatMap((site) => (RARE.includes(site.call) ? [site, site, site] : [site]));

/** A fault that waits for its moment: the call with number `skip` at its site, once its time has come. */
interface Planned {
  readonly site: Site;
  readonly from: number;
  skip: number;
}

/**
 * Which faults strike in a run. Some are aimed: a site drawn from all there are, so that rare awaits are struck as
 * often as common ones. The rest is noise: any append may meet one, at a rate of the seed's own.
 */
export class FaultPlan {
  readonly strikes = new Strikes();
  private readonly random: SeededRandom;
  private readonly window: number;
  private readonly noise: number;
  private readonly kills: number;
  private planned: Planned[];

  /** @param window faults strike up to this time */
  constructor(random: SeededRandom, window: number) {
    this.random = random;
    this.window = window;
    this.noise = random.pick([0, 0, 0.01, 0.03, 0.1]);
    this.kills = random.pick([0, 0, 0.02, 0.2]);
    const aimed = (sites: readonly Site[]): Planned => ({
      site: random.pick(sites),
      // Some awaits come only when everything begins.
      from: random.chance(0.4) ? 0 : random.between(0, window),
      skip: random.chance(0.5) ? 0 : random.integer(1, 6),
    });
    this.planned = [
      ...Array.from({ length: random.integer(4, 14) }, () => aimed(AIMS)),
      // At awaits that come often, so that no run passes in peace.
      ...Array.from({ length: 4 }, () => ({ ...aimed(BUSY_SITES), from: random.between(0, window / 2) })),
    ];
  }

  /** The fault that strikes a call now; undefined when none does. The caller makes it take effect. */
  strike(call: string, phase: Phase, now: number): Fault | undefined {
    if (now > this.window) return undefined;
    for (const one of this.planned) {
      const { site } = one;
      if (site.call !== call || site.phase !== phase || one.from > now) continue;
      one.skip -= 1;
      if (one.skip >= 0) continue;
      this.planned = this.planned.filter((other) => other !== one);
      this.strikes.note(siteName(site));
      return site.fault;
    }
    if (phase === 'request' && this.noise > 0 && this.random.chance(this.noise)) return this.someNoise(call);
    return undefined;
  }

  /** Whether the actors of a batch that arrives now are stopped before their turn. */
  killsActors(now: number): boolean {
    return this.kills > 0 && now <= this.window && this.random.chance(this.kills);
  }

  private someNoise(call: string): Fault | undefined {
    const sites = SITES.filter(({ call: of, phase, fault }) => of === call && phase === 'request' && isQuiet(fault));
    if (sites.length === 0) return undefined;
    const site = this.random.pick(sites);
    this.strikes.note(siteName(site));
    return site.fault;
  }
}

const BUSY_SITES = SITES.filter(({ call, fault }) => BUSY.includes(call) && fault !== 'delay');

const isQuiet = (fault: Fault): boolean => fault !== 'crash' && fault !== 'pause';
