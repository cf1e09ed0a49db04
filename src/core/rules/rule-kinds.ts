import { WINDOW_FIELDS } from './read-window.ts';

/** Which fields a rule may have, by its kind. */
export type RuleKind = 'pattern' | 'window' | 'join' | 'process';

export const RULE_KINDS: readonly RuleKind[] = ['pattern', 'window', 'join', 'process'];

interface KindFields {
  /** The field that makes a rule one of this kind. */
  readonly opens: string;
  /** Every field that rules of this kind have and others need not. */
  readonly fields: readonly string[];
  /** What its `limits` count beside bytes. */
  readonly counts: string | undefined;
}

export const KINDS: Readonly<Record<RuleKind, KindFields>> = {
  pattern: {
    opens: 'pattern',
    fields: ['pattern', 'within', 'afterMatch', 'onTimeout'],
    counts: 'partialMatches',
  },
  window: { opens: 'window', fields: WINDOW_FIELDS, counts: 'entries' },
  join: { opens: 'join', fields: ['join'], counts: 'events' },
  process: { opens: 'on', fields: ['on', 'onTimer', 'state', 'timers', 'outputs', 'references'], counts: undefined },
};

/** What rules of every kind have. */
export const COMMON_FIELDS: readonly string[] = [
  'rule',
  'description',
  'severity',
  'labels',
  'from',
  'key',
  'keyEach',
  'where',
  'onLate',
  'limits',
  'throttle',
  'dedupe',
  'emit',
  'emitFrom',
  'to',
];

/** Fields that have a meaning in the language and do nothing yet: refused rather than passed over. */
export const LATER_FIELDS: readonly string[] = ['start'];

/** The kind that a field belongs to; undefined for a field of all kinds, or of none. */
export const ownerOf = (field: string): RuleKind | undefined =>
  RULE_KINDS.find((kind) => KINDS[kind].fields.includes(field));
