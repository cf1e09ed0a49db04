import type { DocumentNode, MapNode, ScalarNode } from '../core/rules/document.ts';
import type { Place } from '../core/rules/problem.ts';

/** Settings that flags and variables can give: each a single value, at a path in the configuration. */
export const SETTABLE = [
  'prefix',
  'node',
  'nats.url',
  'nats.context',
  'nats.creds',
  'nats.nkey',
  'nats.user',
  'nats.password',
  'nats.token',
  'nats.ca',
  'nats.cert',
  'nats.key',
  'nats.domain',
  'nats.inboxPrefix',
  'streams.replicas',
  'streams.storage',
  'rules',
  'limits.partialMatches',
  'limits.stateBytes',
  'limits.onLimit',
  'shards',
  'actorsMax',
  'heartbeat',
  'turnTimeout',
  'lease.ttl',
  'http.host',
  'http.port',
  'log.level',
] as const;

export type Settable = (typeof SETTABLE)[number];

/** Values given outside the file, by setting. */
export type Given = Partial<Readonly<Record<Settable, string>>>;

/** `http.port` is CORRAL_HTTP_PORT, `actorsMax` is CORRAL_ACTORS_MAX. */
export const variableOf = (setting: Settable): string =>
  `CORRAL_${setting
    .replace(/[A-Z]/g, (letter) => `_${letter}`)
    .replaceAll('.', '_')
    .toUpperCase()}`;

/** The flags of NATS itself are those of `corral publish` too. */
const SHORT_FLAGS: Partial<Readonly<Record<Settable, string>>> = {
  'nats.url': '--server',
  'nats.context': '--context',
  'nats.creds': '--creds',
};

/** `http.port` is --http-port. */
export const flagOf = (setting: Settable): string =>
  SHORT_FLAGS[setting] ?? `--${setting.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`).replaceAll('.', '-')}`;

/** Variables that everything around NATS understands; the CORRAL_… one of the same setting wins over them. */
const NATS_VARIABLES: Partial<Readonly<Record<Settable, string>>> = {
  'nats.url': 'NATS_URL',
  'nats.context': 'NATS_CONTEXT',
  'nats.creds': 'NATS_CREDS',
  'nats.nkey': 'NATS_NKEY',
  'nats.user': 'NATS_USER',
  'nats.password': 'NATS_PASSWORD',
  'nats.token': 'NATS_TOKEN',
  'nats.ca': 'NATS_CA',
  'nats.cert': 'NATS_CERT',
  'nats.key': 'NATS_KEY',
};

/** Who one is for NATS. Taken from one place as a whole, so that a token never goes along with another's user. */
const IDENTITY: readonly Settable[] = ['nats.creds', 'nats.nkey', 'nats.user', 'nats.password', 'nats.token'];

type Layer = ReadonlyMap<Settable, ScalarNode>;

/**
 * Lays values from flags and variables over the tree of a configuration file, so that one reader checks them all and a
 * problem names the flag or variable in the place of the file.
 */
export function overlay(
  root: MapNode,
  flags: Given,
  environment: Readonly<Record<string, string | undefined>>,
): MapNode {
  let result = root;
  for (const layer of [variablesLayer(environment), flagsLayer(flags)]) {
    if (IDENTITY.some((setting) => layer.has(setting))) {
      for (const setting of IDENTITY) result = remove(result, setting.split('.'));
    }
    for (const [setting, node] of layer) result = put(result, setting.split('.'), node);
  }
  return result;
}

function flagsLayer(flags: Given): Layer {
  const layer = new Map<Settable, ScalarNode>();
  for (const setting of SETTABLE) {
    const text = flags[setting];
    if (text !== undefined) layer.set(setting, scalar(text, flagOf(setting)));
  }
  return layer;
}

function variablesLayer(environment: Readonly<Record<string, string | undefined>>): Layer {
  const layer = new Map<Settable, ScalarNode>();
  for (const setting of SETTABLE) {
    for (const variable of [variableOf(setting), NATS_VARIABLES[setting]]) {
      const text = variable === undefined ? undefined : environment[variable];
      if (text !== undefined && text !== '' && !layer.has(setting)) layer.set(setting, scalar(text, `$${variable}`));
    }
  }
  return layer;
}

function scalar(text: string, file: string): ScalarNode {
  const place: Place = { file, line: 1, column: 1 };
  const value = /^-?\d{1,15}$/.test(text) ? Number(text) : text === 'true' ? true : text === 'false' ? false : text;
  return { kind: 'scalar', place, value, text, placeAt: () => place, commented: false };
}

function put(map: MapNode, path: readonly string[], value: ScalarNode): MapNode {
  const [name = '', ...rest] = path;
  const old = map.fields.find((field) => field.name === name);
  const below: MapNode = old?.value.kind === 'map' ? old.value : { kind: 'map', place: value.place, fields: [] };
  const node: DocumentNode = rest.length === 0 ? value : put(below, rest, value);
  const field = { name, namePlace: old?.namePlace ?? value.place, value: node };
  return { ...map, fields: [...map.fields.filter((one) => one !== old), field] };
}

function remove(map: MapNode, path: readonly string[]): MapNode {
  const [name = '', ...rest] = path;
  const fields = map.fields.flatMap((field) => {
    if (field.name !== name) return [field];
    if (rest.length === 0) return [];
    return [field.value.kind === 'map' ? { ...field, value: remove(field.value, rest) } : field];
  });
  return { ...map, fields };
}

/** A place outside any file is a flag or a variable, and has no lines. */
export const isGiven = (place: Place): boolean => place.file.startsWith('$') || place.file.startsWith('--');
