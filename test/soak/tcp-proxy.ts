import { once } from 'node:events';
import { connect, createServer, type Server, type Socket } from 'node:net';

/** What the way between a node and the servers does to what goes over it. */
export type Line =
  | { readonly kind: 'open' }
  /** Everything arrives so much later, in milliseconds. */
  | { readonly kind: 'slow'; readonly delayMs: number }
  /** Connections stand, and nothing arrives: neither at the server nor, with `deaf`, its answers at the node. */
  | { readonly kind: 'hole' }
  | { readonly kind: 'deaf' };

/** A TCP proxy between one node and the servers, on a port of its own. */
export interface TcpProxy {
  readonly port: number;
  set(line: Line): void;
  /** Ends every connection at once, as a cut cable and a restarted router would together. */
  cut(): void;
  close(): Promise<void>;
}

/**
 * What a hole swallowed is gone, as the connection is: when the line is open again, connections that lost bytes are
 * ended, since a stream of bytes with a piece missing is none.
 * @param upstreams ports of the servers; a connection goes to the first that takes it
 */
export async function startProxy(upstreams: readonly number[]): Promise<TcpProxy> {
  let line: Line = { kind: 'open' };
  const pairs = new Set<{ near: Socket; far: Socket; torn: boolean }>();
  const server: Server = createServer((near) => void accept(near));
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');

  async function accept(near: Socket): Promise<void> {
    near.on('error', () => undefined); // a connection that ends in disorder is what this is for
    const far = await firstThatTakes(upstreams);
    if (far === undefined || near.destroyed) {
      far?.destroy();
      near.destroy();
      return;
    }
    const pair = { near, far, torn: false };
    pairs.add(pair);
    near.setNoDelay(true);
    far.setNoDelay(true);
    const end = () => {
      pairs.delete(pair);
      near.destroy();
      far.destroy();
    };
    for (const socket of [near, far]) {
      socket.on('error', end);
      socket.on('close', end);
    }
    const pass = (to: Socket, swallowing: readonly Line['kind'][]) => (bytes: Buffer) => {
      if (swallowing.includes(line.kind)) {
        pair.torn = true;
        return;
      }
      if (line.kind === 'slow') setTimeout(() => to.destroyed || to.write(bytes), line.delayMs);
      else to.write(bytes);
    };
    near.on('data', pass(far, ['hole']));
    far.on('data', pass(near, ['hole', 'deaf']));
  }

  const cut = () => {
    for (const { near, far } of [...pairs]) {
      near.destroy();
      far.destroy();
    }
  };
  return {
    port: (server.address() as { port: number }).port,
    set(next) {
      // What is on its way by the slow line would be overtaken by what comes after it.
      const mustEnd = (pair: { torn: boolean }) => pair.torn || line.kind === 'slow';
      for (const pair of [...pairs]) if (mustEnd(pair)) pair.near.destroy();
      line = next;
    },
    cut,
    async close() {
      cut();
      server.close();
    },
  };
}

async function firstThatTakes(ports: readonly number[]): Promise<Socket | undefined> {
  for (const port of ports) {
    const socket = connect(port, '127.0.0.1');
    const taken = await new Promise<boolean>((resolve) => {
      socket.once('connect', () => resolve(true));
      socket.once('error', () => resolve(false));
    });
    if (taken) return socket;
  }
  return undefined;
}
