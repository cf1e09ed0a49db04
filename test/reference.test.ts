import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { packageRoot } from '../src/cli/package-root.ts';
import { constructsOf, constructsOfSchema } from './reference/constructs.ts';
import { expectedWords, inWordsOf, runTimeline } from './reference/run-timeline.ts';
import { type Example, examplesOf } from './reference/timeline.ts';

/** The rule reference is run: every timeline of its pages, through the real engine. */

const pages = ['docs', 'docs/rules'].flatMap((folder) =>
  readdirSync(join(packageRoot, folder))
    .filter((name) => name.endsWith('.md'))
    .map((name) => join(folder, name)),
);

const examples: readonly Example[] = pages.flatMap((page) =>
  examplesOf(page, readFileSync(join(packageRoot, page), 'utf8')),
);
const shown = examples.filter(({ timelines }) => timelines.length > 0);

for (const page of pages) {
  const timelines = shown.filter((example) => example.page === page).flatMap((example) => example.timelines);
  if (timelines.length === 0) continue;
  t.test(`what ${page} says happens`, async (t) => {
    for (const timeline of timelines) {
      const { page, line, title, outcomes } = timeline;
      await t.test(`${page}:${line} ${title}`, async (t) => {
        t.strictSame(inWordsOf(outcomes, await runTimeline(timeline)), expectedWords(outcomes));
      });
    }
  });
}

t.test('every construct of the rule language has a timeline', async (t) => {
  const used = constructsOf(shown);
  const missing = constructsOfSchema().filter((construct) => !used.has(construct));
  t.strictSame(missing, [], 'show each of these in docs/rules with a rule and a timeline after it');
});

t.test('every rule in docs/rules has a timeline', async (t) => {
  const without = examples
    .filter(({ page, timelines }) => page.startsWith('docs/rules/') && timelines.length === 0)
    .map(({ page, line, rule }) => `${page}:${line} ${rule.split('\n')[0]}`);
  t.strictSame(without, []);
});

t.test('a timeline that does not hold is noticed', async (t) => {
  const example = (timeline: string) =>
    examplesOf(
      'page',
      `\`\`\`yaml\npattern:\n  - begin: a\n    type: A\n\`\`\`\n\`\`\`timeline\n${timeline}\n\`\`\`\n`,
    );
  const [right] = example('events: A1@0s\nmatch:  A1 @0s')[0]!.timelines;
  t.strictSame(inWordsOf(right!.outcomes, await runTimeline(right!)), expectedWords(right!.outcomes));
  for (const [what, wrong] of [
    ['another event', 'events: A1@0s\nmatch: A2 @0s'],
    ['another time', 'events: A1@0s\nmatch: A1 @1s'],
    ['no match', 'events: A1@0s\nmatch: none'],
    ['one match of two', 'events: A1@0s A2@1s\nmatch: A1 @0s'],
    ['one match too many', 'events: A1@0s\nmatch: A1 @0s\nmatch: A1 @0s'],
    ['another step', 'events: A1@0s\nmatch: b=A1 @0s'],
    ['another key', 'events: A1@0s\nmatch: A1 @0s\nkey: bob'],
    ['an event without a key', 'events: A1{user: null}@0s\nmatch: none'],
  ] as const) {
    const [timeline] = example(wrong)[0]!.timelines;
    const came = inWordsOf(timeline!.outcomes, await runTimeline(timeline!));
    t.notSame(came, expectedWords(timeline!.outcomes), what);
  }
  t.throws(() => example('match: A1 @0s'), /without events/);
  t.throws(() => example('events: A1@0s'), /without an outcome/);
  t.throws(() => example('events: A1\nmatch: none'), /without a time/);
  t.throws(() => examplesOf('page', '```timeline\nevents: A1@0s\n```\n'), /without a rule/);
});
