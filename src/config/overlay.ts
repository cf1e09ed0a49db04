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
  'shards',
  'actorsMax',
  'heartbeat',
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
  `CORRAL_${setting.replace(/[A-Z]/g, (letter) => `_${letter}`).replaceAll('.', '_').toUpperCase()}`;

/** `http.port` is --http-port. */
export const flagOf = (setting: Settable): string =>
  `--${setting.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`).replaceAll('.', '-')}`;

/**
 * Lays values from flags and variables over the tree of a configuration file, so that one reader checks them all and a
 * problem names the flag or variable in the place of the file.
 */
export function overlay(root: MapNode, flags: Given, environment: Readonly<Record<string, string | undefined>>): MapNode {
  let result = root;
  for (const setting of SETTABLE) {
    const flag = flags[setting];
    const variable = environment[variableOf(setting)];
    if (flag !== undefined) result = put(result, setting.split('.'), scalar(flag, flagOf(setting)));
    else if (variable !== undefined && variable !== '')
      result = put(result, setting.split('.'), scalar(variable, `$${variableOf(setting)}`));
  }
  return result;
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

/** A place outside any file is a flag or a variable, and has no lines. */
export const isGiven = (place: Place): boolean => place.file.startsWith('$') || place.file.startsWith('--');
