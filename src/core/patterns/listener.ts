import type { InstantMs } from '../time/units.ts';
import type { PathNode } from './path.ts';

/** Where matches, timeouts and losses go, in the order they happen. The path is valid during the call. */
export interface Listener {
  matched(path: PathNode, time: InstantMs): void;
  timedOut(path: PathNode, deadline: InstantMs): void;
  lost(path: PathNode, limit: 'partialMatches' | 'stateBytes'): void;
}
