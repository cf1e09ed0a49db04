import { configProblems } from './config/config-problems.ts';
import { NAME_FORM, PREFIX_FORM } from './config/name-forms.ts';
import { type Given, overlay, SETTABLE } from './config/overlay.ts';
import { readReferences } from './config/read-reference.ts';
import { readSource } from './config/read-source.ts';
import type { SourceSettings } from './core/events/source-settings.ts';
import type { PatternLimits } from './core/patterns/pattern.ts';
import type { ReferenceSettings } from './core/references/reference-settings.ts';
import { DEFAULT_LIMITS } from './core/rules/default-limits.ts';
import { type DocumentNode, type MapNode, Problems, type ScalarNode } from './core/rules/document.ts';
import { FieldReader, nodeName } from './core/rules/field-reader.ts';
import type { Problem } from './core/rules/problem.ts';
import { readLimits, withDefaults } from './core/rules/read-limits.ts';
import { readYaml } from './core/rules/yaml-document.ts';
import { type DurationMs, duration } from './core/time/units.ts';
import type { NatsOptions } from './nats/nats-options.ts';

/**
 * The configuration of a node, resolved once at start into a complete value: flag, else CORRAL_… variable, else file,
 * else default. Nothing after this reads a flag, a variable or the file again.
 */
export interface Config {
  readonly prefix: string;
  /** Undefined: a name is made up at start. */
  readonly node: string | undefined;
  readonly nats: NatsOptions;
  readonly streams: { readonly replicas: number; readonly storage: 'file' | 'memory' };
  readonly sources: readonly SourceSettings[];
  /** Data that rules look up. */
  readonly references: readonly ReferenceSettings[];
  /** Paths, folders and patterns as written; see `ruleFiles`. */
  readonly rules: readonly RulePattern[];
  /** For rules that leave their own open. Part of the version of those. */
  readonly limits: PatternLimits;
  readonly shards: number;
  readonly actorsMax: number;
  readonly heartbeat: DurationMs;
  /** Longest time a synchronous piece of work may take; then the process ends. */
  readonly turnTimeout: DurationMs;
  readonly lease: { readonly ttl: DurationMs };
  readonly http: { readonly host: string; readonly port: number };
  readonly log: { readonly level: LogLevel };
}

export interface RulePattern {
  readonly pattern: string;
  readonly at: Problem['at'];
}

export const LOG_LEVELS = ['debug', 'info', 'warn', 'error'] as const;
export type LogLevel = (typeof LOG_LEVELS)[number];

/** What stands where neither flag, variable nor file says anything. */
export const DEFAULTS = {
  prefix: 'corral',
  streams: { replicas: 1, storage: 'file' },
  limits: DEFAULT_LIMITS,
  shards: 64,
  actorsMax: 100_000,
  heartbeat: duration(1_000),
  turnTimeout: duration(5_000),
  lease: { ttl: duration(3_000) },
  http: { host: '0.0.0.0', port: 9180 },
  log: { level: 'info' },
} as const;

const SHARDS_MAX = 4_096;
const REPLICAS_MAX = 5;
const PORT_MAX = 65_535;
/** A shorter lease would be lost to one slow garbage collection. */
const LEASE_TTL_MIN = 1_000;
const HEARTBEAT_MIN = 10;
const TURN_TIMEOUT_MIN = 100;

export interface ConfigInput {
  /** Text of the configuration file; undefined when there is none. */
  readonly file: { readonly path: string; readonly text: string } | undefined;
  readonly flags: Given;
  readonly environment: Readonly<Record<string, string | undefined>>;
  /** Rule files named on the command line, in the place of `rules`. */
  readonly rules?: readonly string[] | undefined;
}

export type ConfigResult =
  | { readonly ok: true; readonly config: Config }
  | { readonly ok: false; readonly problems: readonly Problem[] };

/** Resolves a configuration, or tells everything that is wrong with it. Reads nothing but its argument. */
export function resolveConfig({ file, flags, environment, rules: named }: ConfigInput): ConfigResult {
  const problems = new Problems();
  const read = readRoot(file, problems);
  // Of what is no map of fields nothing more can be said.
  if (problems.list.length > 0 && read.fields.length === 0) {
    return { ok: false, problems: configProblems(problems.sorted()) };
  }
  const root = overlay(read, flags, environment);
  const reader = new FieldReader(root, 'the configuration', problems);
  const http = section(reader, 'http', problems);
  const streams = section(reader, 'streams', problems);
  const lease = section(reader, 'lease', problems);
  const log = section(reader, 'log', problems);
  const config: Config = {
    prefix: name(reader, 'prefix', PREFIX_FORM, 'lower-case letters, digits, - and _', problems) ?? DEFAULTS.prefix,
    node: name(reader, 'node', NAME_FORM, 'letters, digits, - and _', problems),
    nats: readNats(reader, problems),
    streams: {
      replicas: upTo(streams, 'replicas', 1, REPLICAS_MAX, problems) ?? DEFAULTS.streams.replicas,
      storage: streams.oneOf('storage', ['file', 'memory']) ?? DEFAULTS.streams.storage,
    },
    sources: readSources(reader, problems),
    references: readReferences(reader, problems),
    rules: readRules(reader, named, problems),
    limits: withDefaults(readLimits(reader, 'partialMatches', problems), DEFAULTS.limits),
    shards: upTo(reader, 'shards', 1, SHARDS_MAX, problems) ?? DEFAULTS.shards,
    actorsMax: reader.integer('actorsMax', 1) ?? DEFAULTS.actorsMax,
    heartbeat: atLeast(reader, 'heartbeat', HEARTBEAT_MIN, problems) ?? DEFAULTS.heartbeat,
    turnTimeout: atLeast(reader, 'turnTimeout', TURN_TIMEOUT_MIN, problems) ?? DEFAULTS.turnTimeout,
    lease: { ttl: atLeast(lease, 'ttl', LEASE_TTL_MIN, problems) ?? DEFAULTS.lease.ttl },
    http: {
      host: http.text('host') ?? DEFAULTS.http.host,
      port: upTo(http, 'port', 0, PORT_MAX, problems) ?? DEFAULTS.http.port,
    },
    log: { level: log.oneOf('level', LOG_LEVELS) ?? DEFAULTS.log.level },
  };
  if (config.heartbeat * 2 > config.lease.ttl) {
    problems.add(
      'CONFIG_HEARTBEAT',
      reader.placeOf('heartbeat'),
      `a heartbeat of ${config.heartbeat} ms is more than half the life of a lease (${config.lease.ttl} ms)`,
      'shorten `heartbeat` or lengthen `lease: {ttl: …}`',
    );
  }
  http.rest(['host', 'port']);
  streams.rest(['replicas', 'storage']);
  lease.rest(['ttl']);
  log.rest(['level']);
  reader.rest(FIELDS);
  if (problems.list.length === 0) return { ok: true, config };
  return { ok: false, problems: configProblems(problems.sorted()) };
}

/** Which deployment is meant and how it is reached, for commands that only look at it. */
export type DeploymentConfig = Pick<Config, 'prefix' | 'nats' | 'lease'>;

export type DeploymentResult =
  | { readonly ok: true; readonly config: DeploymentConfig }
  | { readonly ok: false; readonly problems: readonly Problem[] };

/**
 * The part of a configuration that says where a deployment is. What else stands in the file is not looked at, so that
 * it may be half edited, and there need be none.
 */
export function resolveDeployment({ file, flags, environment }: Omit<ConfigInput, 'rules'>): DeploymentResult {
  const problems = new Problems();
  const reader = new FieldReader(overlay(readRoot(file, problems), flags, environment), 'the configuration', problems);
  const config = {
    prefix: name(reader, 'prefix', PREFIX_FORM, 'lower-case letters, digits, - and _', problems) ?? DEFAULTS.prefix,
    nats: readNats(reader, problems),
    lease: { ttl: atLeast(section(reader, 'lease', problems), 'ttl', LEASE_TTL_MIN, problems) ?? DEFAULTS.lease.ttl },
  };
  if (problems.list.length === 0) return { ok: true, config };
  return { ok: false, problems: configProblems(problems.sorted()) };
}

const FIELDS = [...new Set(SETTABLE.map((setting) => setting.split('.')[0]!)), 'sources', 'references'];

function readRoot(file: ConfigInput['file'], problems: Problems): MapNode {
  const place = { file: file?.path ?? 'corral.yaml', line: 1, column: 1 };
  const empty: MapNode = { kind: 'map', place, fields: [] };
  if (file === undefined) return empty;
  const [document, second] = readYaml(file.path, file.text, problems);
  if (second !== undefined) {
    problems.add('CONFIG_DOCUMENTS', second.root.place, 'the file holds several documents', 'take out the `---`');
  }
  const root = document?.root;
  if (root?.kind === 'map') return root;
  if (root !== undefined && root.kind !== 'broken') {
    problems.add('RULE_TYPE', root.place, `the configuration is ${nodeName(root)}, not a map`, 'begin with `sources:`');
  }
  return empty;
}

/** The reader of a field that is a map; of an empty map when it is absent or something else. */
function section(reader: FieldReader, name: string, problems: Problems): FieldReader {
  const node = reader.get(name);
  if (node !== undefined && node.kind !== 'map')
    reader.wrong(node, name, 'a map', `indent its fields below \`${name}:\``);
  const map: MapNode = node?.kind === 'map' ? node : { kind: 'map', place: reader.placeOf(name), fields: [] };
  return new FieldReader(map, `\`${name}\``, problems);
}

function name(
  reader: FieldReader,
  field: string,
  form: string,
  inWords: string,
  problems: Problems,
): string | undefined {
  const text = reader.text(field);
  if (text === undefined || new RegExp(form).test(text)) return text;
  const at = reader.get(field)?.place ?? reader.place;
  problems.add(
    'CONFIG_NAME',
    at,
    `\`${text}\` cannot be a ${field}: it becomes part of names in NATS`,
    `use ${inWords}`,
  );
  return undefined;
}

function upTo(reader: FieldReader, field: string, least: number, most: number, problems: Problems): number | undefined {
  const value = reader.integer(field, least);
  if (value === undefined || value <= most) return value;
  const at = reader.get(field)?.place ?? reader.place;
  problems.add(
    'CONFIG_RANGE',
    at,
    `\`${field}\` is ${value}, and at most ${most} is possible`,
    `write ${least} to ${most}`,
  );
  return undefined;
}

function atLeast(reader: FieldReader, field: string, least: number, problems: Problems): DurationMs | undefined {
  const value = reader.duration(field);
  if (value === undefined || value >= least) return value;
  const at = reader.get(field)?.place ?? reader.place;
  problems.add(
    'CONFIG_RANGE',
    at,
    `\`${field}\` is ${value} ms, and at least ${least} ms is needed`,
    `write ${least}ms or more`,
  );
  return undefined;
}

const NATS_FIELDS = [
  'url',
  'context',
  'creds',
  'nkey',
  'user',
  'password',
  'token',
  'ca',
  'cert',
  'key',
  'domain',
  'inboxPrefix',
] as const;

function readNats(reader: FieldReader, problems: Problems): NatsOptions {
  const nats = section(reader, 'nats', problems);
  const options: Partial<Record<(typeof NATS_FIELDS)[number], string>> = {};
  for (const field of NATS_FIELDS) {
    const text = nats.text(field);
    if (text !== undefined) options[field] = text;
  }
  nats.rest(NATS_FIELDS);
  return options;
}

function readSources(reader: FieldReader, problems: Problems): readonly SourceSettings[] {
  const node = reader.get('sources');
  if (node?.kind !== 'map') {
    if (node !== undefined)
      reader.wrong(node, 'sources', 'a map', 'write `sources:` and below it `name: {stream: NAME}`');
    else if (!reader.has('sources')) {
      const fix = 'write `sources:` and below it `name: {stream: NAME}`';
      problems.add(
        'CONFIG_SOURCES',
        reader.place,
        'the configuration has no `sources`, so there is nothing to read',
        fix,
      );
    }
    return [];
  }
  if (node.fields.length === 0) {
    problems.add('CONFIG_SOURCES', node.place, '`sources` is empty', 'name a source: `name: {stream: NAME}`');
  }
  return node.fields.flatMap((field) => readSource(field, problems) ?? []);
}

const namedRule = (pattern: string): RulePattern => ({ pattern, at: { file: '--rules', line: 1, column: 1 } });

function readRules(
  reader: FieldReader,
  named: readonly string[] | undefined,
  problems: Problems,
): readonly RulePattern[] {
  const node = reader.get('rules');
  if (named !== undefined) return named.map(namedRule);
  if (node === undefined) {
    if (!reader.has('rules')) {
      const fix = 'write `rules: [rules/*.yaml]`';
      problems.add('CONFIG_RULES', reader.place, 'the configuration names no `rules`', fix);
    }
    return [];
  }
  const items = node.kind === 'list' ? node.items : [node];
  const texts = items.filter((item): item is ScalarNode => item.kind === 'scalar' && item.text !== '');
  if (texts.length !== items.length || texts.length === 0) {
    if (!items.some((item: DocumentNode) => item.kind === 'broken'))
      reader.wrong(node, 'rules', 'a path or a list of paths', 'write `rules: [rules/*.yaml]`');
    return [];
  }
  // A variable or flag is one text, in which commas separate.
  return texts.flatMap(({ text, place }) =>
    (place.file === node.place.file && node.kind === 'list' ? [text] : text.split(',')).map((pattern) => ({
      pattern: pattern.trim(),
      at: place,
    })),
  );
}
