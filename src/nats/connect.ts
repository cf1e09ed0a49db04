import { readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { type Authenticator, type ConnectionOptions, connect, credsAuthenticator, nkeyAuthenticator } from 'nats';
import { NatsLink, type NatsStatus } from './link.ts';
import { type NatsOptions, type ResolvedNatsOptions, resolveNatsOptions } from './nats-options.ts';
import { NatsSetupError } from './setup-error.ts';

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
  const settings = clientOptions(resolved, options.name ?? 'corral');
  for (;;) {
    options.signal?.throwIfAborted();
    try {
      const client = await connect(settings);
      return new NatsLink(client, {
        ...(resolved.domain === undefined ? {} : { domain: resolved.domain }),
        ...(resolved.inboxPrefix === undefined ? {} : { inboxPrefix: resolved.inboxPrefix }),
        ...(options.onStatus === undefined ? {} : { onStatus: options.onStatus }),
      });
    } catch (error) {
      const why = error instanceof Error ? error.message : String(error);
      options.onStatus?.({
        connected: false,
        trouble: `cannot connect to NATS at ${resolved.servers.join(', ')}: ${why}`,
      });
      if (options.tries === 'once') throw error;
      await sleep(RETRY_MS + Math.random() * RETRY_JITTER_MS);
    }
  }
}

function clientOptions(resolved: ResolvedNatsOptions, name: string): ConnectionOptions {
  const { creds, nkey, user, password, token, ca, cert, key } = resolved;
  const authenticators: Authenticator[] = [];
  if (creds !== undefined) authenticators.push(authenticatorOf(creds, credsAuthenticator));
  if (nkey !== undefined) authenticators.push(authenticatorOf(nkey, nkeyAuthenticator));
  return {
    name,
    servers: [...resolved.servers],
    reconnect: true,
    maxReconnectAttempts: -1,
    reconnectTimeWait: RETRY_MS,
    reconnectJitter: RETRY_JITTER_MS,
    reconnectJitterTLS: RETRY_JITTER_MS,
    // Two missing answers end the connection: whoever swallows what is sent is noticed within 15 s.
    pingInterval: 5_000,
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

/**
 * Makes an authenticator from a file that is read again at every connect: a rotated one is picked up without a restart.
 * What cannot be read or parsed just then (it may be half written) is replaced by what was good before, since the
 * client would close for ever.
 * @throws {NatsSetupError} NATS_OPTIONS when the file cannot be used to begin with
 */
function authenticatorOf(file: string, make: (content: Uint8Array) => Authenticator): Authenticator {
  const read = (): Authenticator => {
    const authenticator = make(new TextEncoder().encode(readFileSync(file, 'utf8').trim()));
    authenticator('a nonce, to see that the content can sign');
    return authenticator;
  };
  let good: Authenticator;
  try {
    good = read();
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : String(cause);
    throw new NatsSetupError('NATS_OPTIONS', `the credentials in ${file} cannot be used: ${why}`, { cause });
  }
  return (nonce) => {
    try {
      good = read();
    } catch {
      // Keep what was good: the server decides whether it still is, and the status says if not.
    }
    return good(nonce);
  };
}
