/**
 * Lets the shards of a node write their snapshots one after another: what one takes of the processor and of the network
 * at a time is then the same however many shards there are.
 */
export class SnapshotGate {
  private last: Promise<void> = Promise.resolve();

  /** Resolves when the ones before have left, with the function that leaves. */
  async enter(): Promise<() => void> {
    const before = this.last;
    let leave: () => void = () => undefined;
    this.last = new Promise((resolve) => {
      leave = resolve;
    });
    await before;
    return leave;
  }
}
