import Type from 'typebox';
import { NAME_FORM, PREFIX_FORM } from './name-forms.ts';

const Duration = (description: string) =>
  Type.String({ pattern: '^(0|([0-9]+(\\.[0-9]+)?(ms|s|m|h|d|w))+)$', description, examples: ['500ms', '30s', '10m'] });

const Expression = (description: string) => Type.String({ description: `${description} A CEL expression.` });

const text = (description: string) => Type.String({ minLength: 1, description });

const Source = Type.Object(
  {
    stream: text('Name of the JetStream stream to read.'),
    subject: Type.Optional(text('Reads only what this subject filter lets through, such as auth.>')),
    format: Type.Optional(
      Type.Union([Type.Literal('auto'), Type.Literal('json'), Type.Literal('cloudevents'), Type.Literal('msgpack')], {
        default: 'auto',
        description: 'How messages are encoded. auto looks at headers and the first byte.',
      }),
    ),
    start: Type.Optional(
      Type.String({
        default: 'now',
        description: 'Where a source that was never read begins: now, beginning, or an RFC 3339 time.',
      }),
    ),
    onStreamChanged: Type.Optional(
      Type.Union([Type.Literal('stop'), Type.Literal('continue')], {
        default: 'stop',
        description:
          'What happens when the stream was made anew, purged before it was read, or has lost its tail: stop with an error, or go on with what it holds.',
      }),
    ),
    disorder: Type.Optional(
      Duration(
        'How far out of order events may come: they are sorted, and deadlines wait so much longer. 0 by default; what comes later is late.',
      ),
    ),
    idleAfter: Type.Optional(
      Type.Union([Type.Literal('never'), Duration('')], {
        default: '2s',
        description: 'Silence after which time moves on without events, this far behind; never = it waits for events.',
      }),
    ),
    watermarkPer: Type.Optional(
      Expression('Whose clock an event was timed by: each publisher so named gets a watermark of its own.'),
    ),
    eventBytesMax: Type.Optional(
      Type.Integer({ minimum: 1, default: 1_048_576, description: 'Largest event in bytes; larger are dead letters.' }),
    ),
    each: Type.Optional(Expression('Gives a list; each item becomes an event.')),
    let: Type.Optional(
      Type.Record(Type.String({ pattern: '^[A-Za-z_][A-Za-z0-9_]*$' }), Type.String(), {
        description: 'Derived fields, added to each event in this order. CEL expressions.',
      }),
    ),
    where: Type.Optional(Expression('Events for which it is not true are left out.')),
    id: Type.Optional(Expression("The publisher's id of the event.")),
    type: Type.Optional(Expression('The type of the event.')),
    time: Type.Optional(Expression('Event time: RFC 3339 text or milliseconds since 1970.')),
  },
  { additionalProperties: false, description: 'A JetStream stream that Corral reads.' },
);

const Reference = Type.Object(
  {
    bucket: Type.Optional(text('Name of the KV bucket to read; its keys are what is looked up.')),
    stream: Type.Optional(text('Name of the JetStream stream to read, where it is no bucket.')),
    subject: Type.Optional(text('Reads only what this subject filter lets through. Of a stream.')),
    key: Type.Optional(Expression('The key of the entry that a message is about. Of a stream.')),
    format: Type.Optional(
      Type.Union(
        [
          Type.Literal('auto'),
          Type.Literal('json'),
          Type.Literal('cloudevents'),
          Type.Literal('msgpack'),
          Type.Literal('text'),
        ],
        {
          default: 'auto',
          description: 'How values are encoded. auto looks at headers and the first byte; text takes them as they are.',
        },
      ),
    ),
    value: Type.Optional(Expression('The value that is kept. Default: event, the data of the message.')),
    remove: Type.Optional(Expression('True for a message that removes the entry of its key.')),
    onStreamChanged: Type.Optional(
      Type.Union([Type.Literal('stop'), Type.Literal('continue')], {
        default: 'stop',
        description:
          'What happens when the stream or bucket was made anew: an error, or it goes on with what is there.',
      }),
    ),
    entryBytesMax: Type.Optional(
      Type.Integer({ minimum: 1, default: 65_536, description: 'Largest value in bytes; larger are dead letters.' }),
    ),
    bytesMax: Type.Optional(
      Type.Integer({
        minimum: 1,
        default: 16_777_216,
        description: 'Most bytes of keys and values. Every shard keeps that much.',
      }),
    ),
  },
  { additionalProperties: false, description: 'Data that rules look up by key.' },
);

/** JSON Schema (draft-07) of corral.yaml, for `corral schema config` and editors. */
export const configSchema = Type.Object(
  {
    prefix: Type.Optional(
      Type.String({
        pattern: PREFIX_FORM,
        default: 'corral',
        description: 'First token of every subject, and of every stream name, of the deployment.',
      }),
    ),
    node: Type.Optional(
      Type.String({
        pattern: NAME_FORM,
        description: 'Name of this node, unique among the living. Default: by chance.',
      }),
    ),
    nats: Type.Optional(
      Type.Object(
        {
          url: Type.Optional(text('Comma-separated nats:// or tls:// URLs. Default nats://127.0.0.1:4222.')),
          context: Type.Optional(text('Name of a context of the nats command.')),
          creds: Type.Optional(text('Path of a credentials file.')),
          nkey: Type.Optional(text('Path of a file with an nkey seed.')),
          user: Type.Optional(text('User name.')),
          password: Type.Optional(text('Better given as NATS_PASSWORD.')),
          token: Type.Optional(text('Better given as NATS_TOKEN.')),
          ca: Type.Optional(text('Path of the PEM file with the authority to trust.')),
          cert: Type.Optional(text('Path of the PEM file with the client certificate.')),
          key: Type.Optional(text("Path of the PEM file with the client certificate's key.")),
          domain: Type.Optional(text('JetStream domain.')),
          inboxPrefix: Type.Optional(text('First tokens of reply subjects, where _INBOX is not allowed.')),
        },
        { additionalProperties: false, description: 'How to reach NATS. NATS_… variables are understood too.' },
      ),
    ),
    streams: Type.Optional(
      Type.Object(
        {
          replicas: Type.Optional(
            Type.Integer({ minimum: 1, maximum: 5, default: 1, description: "Copies of Corral's own streams." }),
          ),
          storage: Type.Optional(
            Type.Union([Type.Literal('file'), Type.Literal('memory')], {
              default: 'file',
              description: 'memory loses everything with the server, and is for trying.',
            }),
          ),
        },
        { additionalProperties: false, description: "Corral's own streams." },
      ),
    ),
    sources: Type.Record(Type.String({ pattern: NAME_FORM }), Source, {
      description: 'What is read, by the name that rules use.',
    }),
    references: Type.Optional(
      Type.Record(Type.String({ pattern: NAME_FORM }), Reference, {
        description: 'What rules look up, by the name that they use.',
      }),
    ),
    rules: Type.Union([Type.String(), Type.Array(Type.String())], {
      description: 'Rule files: paths, folders or patterns such as rules/*.yaml, relative to this file.',
    }),
    limits: Type.Optional(
      Type.Object(
        {
          partialMatches: Type.Optional(
            Type.Integer({ minimum: 1, default: 10_000, description: 'Most partial matches of one key.' }),
          ),
          stateBytes: Type.Optional(
            Type.Integer({ minimum: 1_024, default: 4_194_304, description: 'Most bytes of state of one key.' }),
          ),
          onLimit: Type.Optional(
            Type.Union([Type.Literal('dropOldest'), Type.Literal('dropNewest'), Type.Literal('deadLetter')], {
              default: 'deadLetter',
              description: 'What happens then to a partial match.',
            }),
          ),
        },
        { additionalProperties: false, description: 'For each rule that leaves its own limits open.' },
      ),
    ),
    shards: Type.Optional(
      Type.Integer({
        minimum: 1,
        maximum: 4096,
        default: 64,
        description: 'Parts into which keys are divided. Fixed for the life of a deployment.',
      }),
    ),
    actorsMax: Type.Optional(
      Type.Integer({
        minimum: 1,
        default: 100_000,
        description: 'Actors kept in memory; beyond it the longest unused are passivated.',
      }),
    ),
    heartbeat: Type.Optional(Duration('Longest time between two records of a lane while time moves. Default 1s.')),
    turnTimeout: Type.Optional(
      Duration(
        'Longest time one event or timer of one key may take; then the process ends. Default 5s, at least 100ms.',
      ),
    ),
    lease: Type.Optional(
      Type.Object(
        {
          ttl: Type.Optional(
            Duration('A node that is not heard of for so long loses its work to the others. Default 3s.'),
          ),
        },
        { additionalProperties: false, description: 'Claims of nodes on shards and sources.' },
      ),
    ),
    http: Type.Optional(
      Type.Object(
        {
          host: Type.Optional(Type.String({ minLength: 1, default: '0.0.0.0', description: 'Address to listen on.' })),
          port: Type.Optional(
            Type.Integer({ minimum: 0, maximum: 65_535, default: 9180, description: '0 takes any free port.' }),
          ),
        },
        { additionalProperties: false, description: '/metrics, /livez and /readyz.' },
      ),
    ),
    log: Type.Optional(
      Type.Object(
        {
          level: Type.Optional(
            Type.Union([Type.Literal('debug'), Type.Literal('info'), Type.Literal('warn'), Type.Literal('error')], {
              default: 'info',
              description: 'Least level that is written.',
            }),
          ),
        },
        { additionalProperties: false, description: 'JSON lines on stdout.' },
      ),
    ),
  },
  { additionalProperties: false, title: 'Configuration of Corral' },
);
