/**
 * Lets the program run on until it has nothing more to do by itself. Two things carry code on without a port being
 * asked: promises, which run before anything else does, and `setImmediate`, in which nact runs its turns. So the
 * number of immediates under way tells exactly when only the ports can go on, and no real timer is needed to guess it.
 */
export class Quiescence {
  private readonly set = globalThis.setImmediate;
  private readonly clear = globalThis.clearImmediate;
  private readonly underWay = new Set<NodeJS.Immediate>();

  /** Begins to count. `restore` must follow. */
  constructor() {
    const { set, clear, underWay } = this;
    const counting = (callback: (...args: unknown[]) => void, ...args: unknown[]): NodeJS.Immediate => {
      const immediate = set(() => {
        underWay.delete(immediate);
        callback(...args);
      });
      underWay.add(immediate);
      return immediate;
    };
    globalThis.setImmediate = counting as unknown as typeof setImmediate;
    globalThis.clearImmediate = (immediate) => {
      if (immediate !== undefined) underWay.delete(immediate);
      clear(immediate);
    };
  }

  /** Resolves when everything waits for a port. @throws when code keeps itself busy for ever */
  async reached(): Promise<void> {
    for (let round = 0; ; round += 1) {
      await new Promise<void>((resolve) => this.set(resolve));
      if (this.underWay.size === 0) return;
      if (round > ROUNDS_MAX) throw new Error('the code under test keeps itself busy without asking any port');
    }
  }

  restore(): void {
    globalThis.setImmediate = this.set;
    globalThis.clearImmediate = this.clear;
  }
}

const ROUNDS_MAX = 100_000;
