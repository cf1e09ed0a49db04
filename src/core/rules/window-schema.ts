import Type from 'typebox';
import { IDS_LEAST } from '../behaviours/recent-ids.ts';
import { THROTTLE_COUNT_MAX } from '../behaviours/throttle.ts';
import { AGGREGATES_MAX } from './read-aggregates.ts';
import { bindingPattern, Duration, described, Expression, oneOf, Signed } from './schema-parts.ts';

const closed = { additionalProperties: false };

/** What every window may say of late events. */
const late = {
  allowedLateness: Type.Optional(Signed('How long after it closed a window still takes events and speaks again.')),
  onLate: Type.Optional(
    oneOf(['drop', 'sideOutput'], 'Whether events that come too late go to the side output "late".'),
  ),
};

const offset = Type.Optional(Signed('Shifts where windows begin; without it they count from 1970, UTC.'));

const window = Type.Union(
  [
    Type.Literal('global'),
    Type.Object({ tumbling: Duration('Length of each window; one follows the other.'), offset, ...late }, closed),
    Type.Object(
      { sliding: Duration('Length of each window.'), every: Duration('How often a window begins.'), offset, ...late },
      closed,
    ),
    Type.Object(
      {
        perEvent: Duration('A window for each event: it and those before it that are at most this much older.'),
        onLate: late.onLate,
      },
      closed,
    ),
    Type.Object(
      {
        session: Duration('Longest gap between two events of a session, inclusive.'),
        maxSize: Type.Optional(Duration('Longest session: an event this much after the first begins another.')),
        ...late,
      },
      closed,
    ),
    Type.Object(
      {
        count: Type.Integer({ minimum: 1, description: 'Number of events of each window.' }),
        every: Type.Optional(Type.Integer({ minimum: 1, description: 'A window after every so many events.' })),
        ...late,
      },
      closed,
    ),
    Type.Object({ global: Type.Literal(true), ...late }, closed),
  ],
  described('Which events are looked at together.'),
);

const aggregate = {
  type: 'object',
  minProperties: 1,
  maxProperties: AGGREGATES_MAX,
  propertyNames: { pattern: bindingPattern },
  additionalProperties: { type: 'string', examples: ['count()', 'sum(event.amount)', 'percentile(event.ms, 95)'] },
  description: 'What is computed over the events of a window: {name: call}.',
};

const emitWhen = Type.Union(
  [
    oneOf(['onClose', 'risingEdge', 'once'], 'At the end; when `having` begins to hold; at most once in a window.'),
    Type.Object({ everyEvents: Type.Integer({ minimum: 1, description: 'At each n-th event.' }) }, closed),
    Type.Object({ every: Duration('As time passes, if something came.') }, closed),
    Type.Object(
      { risingEdge: oneOf(['events', 'windows'], 'From one event to the next, or from one window to the next.') },
      closed,
    ),
  ],
  described('When a window says what it holds. Default onClose.'),
);

/** What window rules alone have. */
export const windowFields = {
  window: Type.Optional(window),
  aggregate: Type.Optional(Type.Unsafe<Readonly<Record<string, unknown>>>(aggregate)),
  having: Type.Optional(Expression('The window is emitted only if this holds.')),
  emitWhen: Type.Optional(emitWhen),
};

/** What rules of every kind may ask for around them. */
export const wrapperFields = {
  throttle: Type.Optional(
    Type.Object(
      {
        per: Duration('In how long a time.'),
        count: Type.Optional(
          Type.Integer({ minimum: 1, maximum: THROTTLE_COUNT_MAX, description: 'How many; default 1.' }),
        ),
      },
      { ...closed, description: 'At most so many emissions of a key; the next one says how many were held back.' },
    ),
  ),
  dedupe: Type.Optional(
    Type.Object(
      {
        events: Type.Optional(Expression('The id of an event: another one with it is not seen.')),
        matches: Type.Optional(
          Expression('The id of a match, from `emit` and `key`: another one with it is not told.'),
        ),
        within: Duration('How long an id counts after it came.'),
        ids: Type.Optional(Type.Integer({ minimum: IDS_LEAST, description: 'Most ids of one key. Default 10000.' })),
      },
      { ...closed, description: 'Leaves out what came before.' },
    ),
  ),
};
