import type { SeededRandom } from './random.ts';
import { goesIdle, type Scenario } from './scenario.ts';
import { type Fault, type Phase, SITES, type Site, Strikes, siteName, TIMER } from './sites.ts';

const BUSY = ['shardLog.append', 'journal.append', 'shardLog.next', 'source.next', 'lease.write'];

/** Calls that many runs never come to. */
const RARE = [
  'laneStart.append',
  'laneStart.last',
  'shardLog.close',
  'source.close',
  'source.sequenceAt',
  'lease.release',
  'side.append',
  'side.last',
  'shardDead.append',
  'shardDead.last',
  'laneClock.append',
  'laneClock.last',
  'laneClock.trim',
  'laneLetters.append',
  'laneLetters.last',
  'laneLetters.trim',
  'chain.append',
  'chain.last',
  'chain.next',
  'chain.caughtUp',
  'chain.close',
  'chain.facts',
  'page.append',
  'page.last',
  'page.get',
  'page.trim',
  'journal.get',
  'journal.trim',
  'shardLog.trim',
  'shardLog.facts',
  'journal.facts',
];

/** What faults are aimed at: rare calls get more of them, so that each is struck all the same. */
const AIMS = SITES.flatMap((site) => Array.from({ length: weightOf(site.call) }, () => site));

function weightOf(call: string): number {
  // Most runs have no rule that reads another one, and few begin at a time.
  if (call.startsWith('chain.') || call === 'source.sequenceAt') return 8;
  return RARE.includes(call) ? 3 : 1;
}

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

  /**
   * @param window faults strike up to this time
   * @param scenario lanes that know more than their records say are struck more often
   */
  constructor(random: SeededRandom, window: number, scenario: Scenario) {
    const silence = scenario.sources.some(goesIdle);
    const lanes = silence || scenario.sources.some(({ clocks }) => clocks.length > 1);
    this.random = random;
    this.window = window;
    this.noise = random.pick(silence ? [0, 0.03, 0.1, 0.2] : [0, 0, 0.01, 0.03, 0.1]);
    this.kills = random.pick([0, 0, 0.02, 0.2]);
    const aimed = (sites: readonly Site[]): Planned => ({
      site: random.pick(sites),
      // Some awaits come only when everything begins.
      from: random.chance(silence ? 0.2 : 0.4) ? 0 : random.between(0, window),
      skip: random.chance(0.5) ? 0 : random.integer(1, 6),
    });
    this.planned = [
      // Who is never there for long notices no silence.
      ...Array.from({ length: (silence ? random.integer(2, 7) : random.integer(4, 14)) * (scenario.big ? 3 : 1) }, () =>
        aimed(AIMS),
      ),
      // At awaits that come often, so that no run passes in peace.
      ...Array.from({ length: silence ? 2 : 4 }, () => ({ ...aimed(BUSY_SITES), from: random.between(0, window / 2) })),
      ...Array.from({ length: lanes ? 3 : 0 }, () => ({
        ...aimed(scenario.oneMachine ? TIMER_PAUSES : LANE_SITES),
        from: random.between(0, window),
      })),
      ...Array.from({ length: silence ? 2 : 0 }, () => ({ ...aimed(SLOW_READS), from: random.between(0, window) })),
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

const LANES = ['shardLog.append', 'journal.append', 'source.caughtUp', 'source.next', 'laneClock.append', TIMER];
const LANE_SITES = SITES.filter(({ call }) => LANES.includes(call));
/** What is on its way for long is not there to be read, but it is no silence either. */
const SLOW_READS = SITES.filter(({ call, fault }) => call === 'source.next' && fault === 'delay');
/** Where nothing is under way, and so any silence may go on when the node does. */
const TIMER_PAUSES = SITES.filter(({ call, fault }) => call === TIMER && fault === 'pause');

const isQuiet = (fault: Fault): boolean => fault !== 'crash' && fault !== 'pause';
