import { readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { type Authenticator, type ConnectionOptions, connect, credsAuthenticator, nkeyAuthenticator } from 'nats';
import { NatsLink, type NatsStatus } from './link.ts';
import { type NatsOptions, type ResolvedNatsOptions, resolveNatsOptions } from './nats-options.ts';

export interface ConnectOptions extends NatsOptions {
  /** Shown by the server's monitoring. Default `corral`. */
  readonly name?: string;
  /** Called with every change, also before the first connection stands. */
  readonly onStatus?: (status: NatsStatus) => void;
  /** `forever` (default) keeps trying until it is connected; `once` gives up when no server can be reached. */
  readonly tries?: 'forever' | 'once';
  /** Ends the tries. */
  readonly signal?: AbortSignal;
}

/** Between tries, and the most that chance adds to it, so that a fleet does not come back in step. */
const RETRY_MS = 250;
const RETRY_JITTER_MS = 250;

/**
 * Connects to NATS; the connection then comes back by itself for ever.
 * @throws {NatsSetupError} NATS_OPTIONS at once when the options cannot be used.
 * @throws the client's error when `tries` is `once`, or the signal's reason.
 */
export async function connectNats(options: ConnectOptions = {}): Promise<NatsLink> {
  const resolved = resolveNatsOptions(options);
  for (;;) {
    options.signal?.throwIfAborted();
    try {
      const client = await connect(clientOptions(resolved, options.name ?? 'corral'));
      return new NatsLink(client, {
        ...(resolved.domain === undefined ? {} : { domain: resolved.domain }),
        ...(resolved.inboxPrefix === undefined ? {} : { inboxPrefix: resolved.inboxPrefix }),
        ...(options.onStatus === undefined ? {} : { onStatus: options.onStatus }),
      });
    } catch (error) {
      const why = error instanceof Error ? error.message : String(error);
      options.onStatus?.({ connected: false, trouble: `cannot connect to NATS at ${resolved.servers.join(', ')}: ${why}` });
      if (options.tries === 'once') throw error;
      await sleep(RETRY_MS + Math.random() * RETRY_JITTER_MS);
    }
  }
}

function clientOptions(resolved: ResolvedNatsOptions, name: string): ConnectionOptions {
  const { creds, nkey, user, password, token, ca, cert, key } = resolved;
  const authenticators: Authenticator[] = [];
  // Read at every connect: a rotated file is picked up without a restart.
  if (creds !== undefined) authenticators.push((nonce) => credsAuthenticator(readFileSync(creds))(nonce));
  if (nkey !== undefined) authenticators.push((nonce) => nkeyAuthenticator(readSeed(nkey))(nonce));
  return {
    name,
    servers: [...resolved.servers],
    reconnect: true,
    maxReconnectAttempts: -1,
    reconnectTimeWait: RETRY_MS,
    reconnectJitter: RETRY_JITTER_MS,
    reconnectJitterTLS: RETRY_JITTER_MS,
    pingInterval: 20_000,
    // A revoked or rotated credential may come back: keep trying and say why.
    ignoreAuthErrorAbort: true,
    ...(resolved.inboxPrefix === undefined ? {} : { inboxPrefix: resolved.inboxPrefix }),
    ...(user === undefined ? {} : { user }),
    ...(password === undefined ? {} : { pass: password }),
    ...(token === undefined ? {} : { token }),
    ...(authenticators.length === 0 ? {} : { authenticator: authenticators }),
    ...(resolved.tls || ca !== undefined || cert !== undefined
      ? {
          tls: {
            ...(ca === undefined ? {} : { caFile: ca }),
            ...(cert === undefined ? {} : { certFile: cert }),
            ...(key === undefined ? {} : { keyFile: key }),
          },
        }
      : {}),
  };
}

function readSeed(file: string): Uint8Array {
  return new TextEncoder().encode(readFileSync(file, 'utf8').trim());
}
