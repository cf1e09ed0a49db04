import type { Behaviour } from '../behaviours/behaviour.ts';
import { AlignedBehaviour } from './aligned-behaviour.ts';
import type { AlignedState } from './aligned-state.ts';
import { countShape, sessionShape } from './own-shapes.ts';
import type { OwnWindowsState } from './own-windows.ts';
import { OwnWindowsBehaviour } from './own-windows-behaviour.ts';
import { CountSlidingBehaviour, PerEventBehaviour } from './ring-behaviour.ts';
import type { RingState } from './ring-state.ts';
import type { WindowDefinition } from './window.ts';

export type WindowState = AlignedState | OwnWindowsState | RingState;

/**
 * A compiled window rule as the behaviour of one rule. What is emitted has kind `match`, or `update` for another word
 * about a window that has spoken; late events and limits are incidents.
 *
 * The caller shows on-time events in order of time, none before the time of the state. A late event is shown by `onEvent`
 * right after `onTime` with the watermark it is behind (see `takesLate`).
 * @param definition one that `windowProblems` finds nothing wrong with
 * @throws {WindowStateUnreadable} from `load`
 */
export function windowBehaviour(definition: WindowDefinition): Behaviour<WindowState> {
  const { window, allowedLateness } = definition;
  switch (window.kind) {
    case 'tumbling':
    case 'sliding':
      return new AlignedBehaviour(definition, window);
    case 'session':
      return new OwnWindowsBehaviour(definition, (set) => sessionShape(window, allowedLateness, set));
    case 'count':
      return new OwnWindowsBehaviour(definition, () => countShape(window.size));
    case 'global':
      return new OwnWindowsBehaviour(definition, () => countShape(Number.POSITIVE_INFINITY));
    case 'perEvent':
      return new PerEventBehaviour(definition, window);
    case 'countSliding':
      return new CountSlidingBehaviour(definition, window);
  }
}
