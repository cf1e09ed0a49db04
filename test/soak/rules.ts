/**
 * The rules of a soak run as a user would write them, one of every kind. `model.ts` says the same once more, as plainly
 * as can be. Every one emits `i`, the number that its publisher gave an event, so that an output says which events it is of.
 */
export const RULES_YAML = `
rule: closed
from: orders
key: event.k
pattern:
  - begin: opened
    type: Open
  - followedBy: tried
    type: Try
    where: event.n > opened.n
  - followedBy: closed
    type: Close
within: 4s
afterMatch: skipPastLastEvent
onTimeout: emit
emit: {opened: "\${opened.i}", tried: "\${tried.i}", closed: "\${closed.i}"}
---
rule: unclosed
from: orders
key: event.k
pattern:
  - begin: opened
    type: Open
  - notFollowedBy: closed
    type: Close
within: 1500ms
emit: {opened: "\${opened.i}"}
---
rule: volume
from: payments
key: event.k
where: meta.type == "Paid"
window: {tumbling: 2s}
aggregate:
  paid: count()
  total: sum(event.n)
emit: {paid: "\${paid}", total: "\${total}"}
---
rule: settled
from:
  opened: {source: orders, type: Open}
  paid: {source: payments, type: Paid}
key: event.k
join:
  interval: {paid: {after: opened, from: -200ms, to: 400ms}}
  pairs: all
  unmatched: [opened]
emit:
  pair: {opened: "\${opened.i}", paid: "\${paid.i}"}
  unmatched: {opened: "\${opened.i}"}
`;

export const RULE_MODULE = `
import { eventTimer, output, processRule, source, value } from 'corral/rules';

export default processRule({
  rule: 'tally',
  from: {
    opened: source('orders', { type: 'Open', key: (event) => event.k }),
    paid: source('payments', { type: 'Paid', key: (event) => event.k }),
  },
  state: { seen: value() },
  timers: { quiet: eventTimer() },
  outputs: { third: output(), quiet: output() },
  on: { opened: count, paid: count },
  onTimer: {
    quiet(ctx) {
      ctx.emit('quiet', { seen: ctx.state.seen.get() });
      ctx.clear();
    },
  },
});

function count(event, ctx) {
  const seen = (ctx.state.seen.get() ?? 0) + 1;
  ctx.state.seen.set(seen);
  ctx.timers.quiet.after('700ms');
  if (seen % 3 === 0) ctx.emit('third', { seen, i: event.i });
}
`;

/** Streams and sources of a run. \`idleAfter: never\`: time is what the events say, so that the model can say it too. */
export const SOURCES = ['orders', 'payments'] as const;
export type SourceName = (typeof SOURCES)[number];

export const streamOf = (source: SourceName): string => source.toUpperCase();
export const subjectOf = (source: SourceName): string => `${source}.all`;

export const sourceSettings = Object.fromEntries(
  SOURCES.map((source) => [
    source,
    {
      stream: streamOf(source),
      subject: `${source}.>`,
      start: 'beginning',
      time: 'event.ts',
      type: 'event.type',
      idleAfter: 'never',
    },
  ]),
);
