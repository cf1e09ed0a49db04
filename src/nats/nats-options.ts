import { readFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { NatsSetupError } from './setup-error.ts';

/**
 * How to reach NATS, as given by flags or a configuration file. What is left out is taken from the environment
 * (`NATS_URL`, `NATS_CONTEXT`, `NATS_CREDS`, `NATS_NKEY`, `NATS_USER`, `NATS_PASSWORD`, `NATS_TOKEN`, `NATS_CA`,
 * `NATS_CERT`, `NATS_KEY`), then from the context, then the default.
 */
export interface NatsOptions {
  /** Comma-separated `nats://` or `tls://` URLs, with user and password where wanted. Default `nats://127.0.0.1:4222`. */
  readonly url?: string;
  /** Name of a context of the `nats` command (`~/.config/nats/context/<name>.json`). */
  readonly context?: string;
  /** Path of a credentials file; read again at every connect. */
  readonly creds?: string;
  /** Path of a file with an nkey seed; read again at every connect. */
  readonly nkey?: string;
  readonly user?: string;
  readonly password?: string;
  readonly token?: string;
  /** Paths of PEM files. */
  readonly ca?: string;
  readonly cert?: string;
  readonly key?: string;
  /** JetStream domain, for leaf nodes. */
  readonly domain?: string;
  /** First tokens of reply subjects, where the account does not allow `_INBOX`. */
  readonly inboxPrefix?: string;
}

/** The same, resolved: only servers are always there. */
export interface ResolvedNatsOptions extends Omit<NatsOptions, 'url' | 'context'> {
  /** `host:port`, without scheme and credentials. */
  readonly servers: readonly string[];
  readonly tls: boolean;
}

type Environment = Readonly<Record<string, string | undefined>>;
type Field = Exclude<keyof NatsOptions, 'context'>;

const variableOf: Partial<Record<Field, string>> = {
  url: 'NATS_URL',
  creds: 'NATS_CREDS',
  nkey: 'NATS_NKEY',
  user: 'NATS_USER',
  password: 'NATS_PASSWORD',
  token: 'NATS_TOKEN',
  ca: 'NATS_CA',
  cert: 'NATS_CERT',
  key: 'NATS_KEY',
};

const fields: readonly Field[] = [...(Object.keys(variableOf) as Field[]), 'domain', 'inboxPrefix'];

const identityFields: readonly Field[] = ['creds', 'nkey', 'user', 'password', 'token'];

/**
 * Resolves given options, environment and context, in this order of precedence. An identity (credentials, nkey, user
 * or token) is taken as a whole from the first place that has one, so that a token in the environment is never sent
 * along with a context's user.
 * @throws {NatsSetupError} NATS_OPTIONS for an unreadable context, an unusable URL, or one half of a certificate pair.
 */
export function resolveNatsOptions(
  given: NatsOptions = {},
  environment: Environment = process.env,
): ResolvedNatsOptions {
  const fromEnvironment: Partial<Record<Field, string>> = {};
  for (const field of fields) {
    const variable = variableOf[field];
    const value = variable === undefined ? undefined : environment[variable];
    if (value !== undefined && value !== '') fromEnvironment[field] = value;
  }
  const context = given.context ?? (environment.NATS_CONTEXT || undefined);
  const places: readonly Partial<Record<Field, string>>[] = [
    given,
    fromEnvironment,
    context === undefined ? {} : readContext(context, environment),
  ];
  const identity = places.find((place) => identityFields.some((field) => place[field] !== undefined)) ?? {};
  const found: Partial<Record<Field, string>> = {};
  for (const field of fields) {
    const place = identityFields.includes(field) ? identity : places.find((one) => one[field] !== undefined);
    const value = place?.[field];
    if (value !== undefined) found[field] = value;
  }
  const { url, ...rest } = found;
  const resolved = { ...rest, ...parseUrls(url ?? 'nats://127.0.0.1:4222', hasNone(identity)) };
  if ((resolved.cert === undefined) !== (resolved.key === undefined)) {
    throw new NatsSetupError(
      'NATS_OPTIONS',
      'a client certificate needs both its certificate and its key: give both cert (NATS_CERT) and key (NATS_KEY)',
    );
  }
  return resolved;
}

const hasNone = (place: Partial<Record<Field, string>>): boolean =>
  identityFields.every((field) => place[field] === undefined);

/** The client knows neither `tls://` nor credentials in a URL, so both are taken out here. */
function parseUrls(
  urls: string,
  takeIdentity: boolean,
): { servers: string[]; tls: boolean; user?: string; password?: string; token?: string } {
  const servers: string[] = [];
  let tls = false;
  let identity: { user?: string; password?: string; token?: string } = {};
  for (const text of urls
    .split(',')
    .map((one) => one.trim())
    .filter((one) => one !== '')) {
    const withScheme = /^[a-z]+:\/\//i.test(text) ? text : `nats://${text}`;
    let url: URL;
    try {
      url = new URL(withScheme.replace(/^[a-z]+:/i, (scheme) => `x-${scheme.toLowerCase()}`));
    } catch (cause) {
      throw unusable(text, cause);
    }
    const scheme = url.protocol.slice('x-'.length);
    if (url.hostname === '' || !['nats:', 'tls:'].includes(scheme)) throw unusable(text);
    tls ||= scheme === 'tls:';
    servers.push(`${url.hostname}:${url.port || '4222'}`);
    if (takeIdentity && url.username !== '') {
      const user = decodeURIComponent(url.username);
      identity = url.password === '' ? { token: user } : { user, password: decodeURIComponent(url.password) };
    }
  }
  if (servers.length === 0) throw unusable(urls);
  return { servers, tls, ...identity };
}

/** Names the URL without what may be secret in it. */
function unusable(text: string, cause?: unknown): NatsSetupError {
  const shown = text.replace(/\/\/[^@/]*@/, '//…@');
  return new NatsSetupError(
    'NATS_OPTIONS',
    `'${shown}' is no usable NATS URL: write nats://host:4222 or tls://host:4222`,
    { cause },
  );
}

/** Field names of context files differ from ours; paths in them may begin with `~`. */
const contextFields: readonly [string, Field][] = [
  ['url', 'url'],
  ['creds', 'creds'],
  ['nkey', 'nkey'],
  ['user', 'user'],
  ['password', 'password'],
  ['token', 'token'],
  ['ca', 'ca'],
  ['cert', 'cert'],
  ['key', 'key'],
  ['jetstream_domain', 'domain'],
  ['inbox_prefix', 'inboxPrefix'],
];
const pathFields: readonly Field[] = ['creds', 'nkey', 'ca', 'cert', 'key'];

function readContext(name: string, environment: Environment): Partial<Record<Field, string>> {
  const home = environment.HOME || homedir();
  const file = join(environment.XDG_CONFIG_HOME || join(home, '.config'), 'nats', 'context', `${name}.json`);
  let parsed: unknown;
  try {
    parsed = JSON.parse(readFileSync(file, 'utf8'));
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : String(cause);
    throw new NatsSetupError(
      'NATS_OPTIONS',
      `NATS context '${name}' cannot be read (${why}). List the contexts with 'nats context ls', or unset NATS_CONTEXT.`,
      { cause },
    );
  }
  const found: Partial<Record<Field, string>> = {};
  for (const [theirs, ours] of contextFields) {
    const value = (parsed as Record<string, unknown>)[theirs];
    if (typeof value !== 'string' || value === '') continue;
    found[ours] = pathFields.includes(ours) ? value.replace(/^~(?=\/)/, home) : value;
  }
  // The nats command writes a context with a token as a user without a password.
  if (
    found.user !== undefined &&
    found.password === undefined &&
    found.creds === undefined &&
    found.nkey === undefined
  ) {
    found.token ??= found.user;
    delete found.user;
  }
  return found;
}
