/**
 * Where a fault can strike: every await of the assembly ends in a port call, and each call has two moments, before the
 * store acts (`request`) and after it has acted but before the answer is there (`answer`). Calls to the log are told
 * apart by the kind of subject, since each has a protocol of its own.
 */
export type Phase = 'request' | 'answer';

export type Fault =
  /** The node is cut off for good: its calls are never answered and what it does has no effect. It comes back empty. */
  | 'crash'
  /** The node stands still, mostly for longer than its leases live, then goes on as if nothing had been. */
  | 'pause'
  /** The answer takes long. */
  | 'delay'
  /** The store did it, the answer says unknown. */
  | 'ackLost'
  /** The store never gets the request, the answer says unknown. */
  | 'neverStored'
  /** The answer says unknown, and only then the store does it. */
  | 'storedLater'
  /** The call fails, as when NATS cannot be reached. */
  | 'unavailable';

export const FAULTS: readonly Fault[] = [
  'crash',
  'pause',
  'delay',
  'ackLost',
  'neverStored',
  'storedLater',
  'unavailable',
];

const APPENDS = [
  'shardLog',
  'laneStart',
  'laneClock',
  'laneLetters',
  'laneDead',
  'journal',
  'page',
  'match',
  'side',
  'chain',
  'shardDead',
] as const;
export type SubjectKind = (typeof APPENDS)[number];

/** Which faults each call can meet beside crash, pause and delay. */
const CALLS: ReadonlyMap<string, readonly Fault[]> = new Map<string, readonly Fault[]>([
  ...APPENDS.map((kind): [string, Fault[]] => [`${kind}.append`, ['ackLost', 'neverStored', 'storedLater']]),
  ...APPENDS.map((kind): [string, Fault[]] => [`${kind}.last`, []]),
  ['laneClock.trim', ['unavailable']],
  ['laneLetters.trim', ['unavailable']],
  ['journal.trim', ['unavailable']],
  ['shardLog.trim', ['unavailable']],
  ['page.trim', ['unavailable']],
  ['journal.get', []],
  ['page.get', []],
  ['journal.facts', ['unavailable']],
  ['shardLog.facts', ['unavailable']],
  ['shardLog.next', []],
  ['journal.next', []],
  ['source.next', []],
  ['chain.next', []],
  ['chain.caughtUp', []],
  ['chain.close', []],
  ['chain.facts', ['unavailable']],
  ['shardLog.close', []],
  ['journal.close', []],
  ['source.caughtUp', []],
  ['source.close', []],
  ['source.facts', ['unavailable']],
  ['source.sequenceAt', ['unavailable']],
  ['lease.list', ['unavailable']],
  ['lease.write', ['ackLost', 'neverStored', 'storedLater']],
  ['lease.release', ['unavailable']],
]);

/** Whether a call may say that the server cannot be reached now. */
export const canFail = (call: string): boolean => CALLS.get(call)?.includes('unavailable') === true;

/** A fault at a call and phase: `journal.append:answer`. */
export interface Site {
  readonly call: string;
  readonly phase: Phase;
  readonly fault: Fault;
}

/** The wait for a timer has one moment only: it is due, and the node has not noticed yet. */
export const TIMER = 'clock.after';

/** Every site that there is. */
export const SITES: readonly Site[] = [
  ...[...CALLS].flatMap(([call, others]): Site[] => [
    { call, phase: 'request', fault: 'crash' },
    { call, phase: 'answer', fault: 'crash' },
    { call, phase: 'request', fault: 'pause' },
    { call, phase: 'answer', fault: 'pause' },
    { call, phase: 'answer', fault: 'delay' },
    ...others.map((fault): Site => ({ call, phase: 'request', fault })),
  ]),
  { call: TIMER, phase: 'answer', fault: 'crash' },
  { call: TIMER, phase: 'answer', fault: 'pause' },
];

export const siteName = ({ call, phase, fault }: Site): string => `${call}:${phase} ${fault}`;

/** What happens to a node, a lease, an actor or the server as a whole. */
export const NODE_FAULTS = [
  'drain',
  'deleteLease',
  'killActor',
  'restartAll',
  'partition',
  'serverRestart',
  'slowDisk',
  'clockJump',
] as const;
export type NodeFault = (typeof NODE_FAULTS)[number];

/** How often each fault took effect. */
export class Strikes {
  readonly counts = new Map<string, number>([
    ...SITES.map((site): [string, number] => [siteName(site), 0]),
    ...NODE_FAULTS.map((fault): [string, number] => [fault, 0]),
  ]);
  total = 0;

  note(name: string): void {
    this.counts.set(name, (this.counts.get(name) ?? 0) + 1);
    this.total += 1;
  }

  add(other: Strikes): void {
    for (const [name, count] of other.counts) this.counts.set(name, (this.counts.get(name) ?? 0) + count);
    this.total += other.total;
  }

  /** Names of what never struck. */
  get missed(): readonly string[] {
    return [...this.counts].filter(([, count]) => count === 0).map(([name]) => name);
  }
}
