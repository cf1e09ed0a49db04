import fc from 'fast-check';
import { Coverage, constructsOf } from './coverage.ts';
import { judge, type Verdict } from './differential.ts';
import { describeDraft, patternOfDraft } from './draft.ts';
import { type Case, minimise } from './minimise.ts';
import { patternDraft, recipe } from './random.ts';
import { eventsOfLetters, lettersOf } from './stream.ts';

/** A run of many random cases. */
export interface Fuzzed {
  readonly coverage: Coverage;
  /** Cases that the enumerator judged as well. */
  enumerated: number;
  /** Drafts in place of which another was drawn, by reason. */
  readonly unfit: Map<string, number>;
  /** The shrunk case as text, when one disagreed. */
  failure: string | undefined;
}

/** The same seed draws the same cases. `decide` stands in for `judge` where the search itself is tested. */
export function fuzz(seed: number, cases: number, decide: typeof judge = judge): Fuzzed {
  const fuzzed: Fuzzed = { coverage: new Coverage(), enumerated: 0, unfit: new Map(), failure: undefined };
  // From then on cases are drawn to shrink the one that failed, and do not count.
  let failed = false;
  const property = fc.property(patternDraft, recipe, fc.nat(12), (draft, given, stop) => {
    const letters = lettersOf(draft, given);
    const events = eventsOfLetters(letters);
    const end = (events.at(-1)?.time ?? 0) + given.rest;
    const failedBefore = failed;
    failed = true;
    const verdict = decide(patternOfDraft(draft), events, end, stop);
    failed = failedBefore || verdict.kind === 'disagreed';
    switch (verdict.kind) {
      case 'unfit':
        fuzzed.unfit.set(verdict.reason, (fuzzed.unfit.get(verdict.reason) ?? 0) + 1);
        fc.pre(false);
        return;
      case 'disagreed':
        throw new Error(`${verdict.between} disagree`);
      case 'agreed': {
        if (failed) return;
        const { said } = verdict.answer;
        const timedOut = said.some((one) => one.startsWith('timeout'));
        fuzzed.coverage.add(
          constructsOf(draft, letters, timedOut),
          said.some((one) => one.startsWith('match')),
        );
        if (verdict.enumerated) fuzzed.enumerated++;
      }
    }
  });
  const details = fc.check(property, { seed, numRuns: cases, maxSkipsPerRun: 100 });
  if (!details.failed) return fuzzed;
  const where = `seed ${seed}, ${fuzzed.coverage.cases} cases agreed before`;
  if (details.counterexample === null) {
    fuzzed.failure = `${where}: too many unfit drafts, ${[...fuzzed.unfit]}`;
    return fuzzed;
  }
  const [draft, given, stop] = details.counterexample;
  const first: Case = { draft, letters: lettersOf(draft, given), rest: given.rest, stop };
  const decideCase = ({ draft, letters, rest, stop }: Case): Verdict => {
    const events = eventsOfLetters(letters);
    return decide(patternOfDraft(draft), events, (events.at(-1)?.time ?? 0) + rest, stop);
  };
  const result = resultOf(decideCase, first);
  const smallest = minimise(first, (smaller) => {
    const other = resultOf(decideCase, smaller);
    return other.failed && other.headline === result.headline;
  });
  fuzzed.failure = `${where}\n${describeCase(smallest)}\n${resultOf(decideCase, smallest).text}`;
  return fuzzed;
}

/** The case to be read, and to be pasted into a test. */
function describeCase({ draft, letters, rest, stop }: Case): string {
  const events = eventsOfLetters(letters);
  const end = (events.at(-1)?.time ?? 0) + rest;
  const stream = events.map(({ id, time }, at) => `${id}@${time}${letters[at]!.v === 0 ? '' : ` v=${letters[at]!.v}`}`);
  return [
    describeDraft(draft),
    `on ${stream.join(', ')}; time goes on to ${end}`,
    `judge(patternOfDraft(${source(draft)}), eventsOfLetters(${source(letters)}), ${end}, ${stop})`,
  ].join('\n');
}

interface Result {
  readonly failed: boolean;
  /** What kind of failure it is. */
  readonly headline: string;
  readonly text: string;
}

function resultOf(decide: (given: Case) => Verdict, given: Case): Result {
  try {
    const verdict = decide(given);
    if (verdict.kind !== 'disagreed') return { failed: false, headline: verdict.kind, text: verdict.kind };
    const { between, expected, got } = verdict;
    const text = `${between}:\n  expected ${JSON.stringify(expected)}\n  got      ${JSON.stringify(got)}`;
    return { failed: true, headline: between.replace(/\d+/g, ''), text };
  } catch (error) {
    const text = error instanceof Error ? (error.stack ?? error.message) : String(error);
    return { failed: true, headline: 'thrown', text };
  }
}

/** Data as source text: JSON knows neither undefined nor Infinity. */
function source(data: unknown): string {
  if (Array.isArray(data)) return `[${data.map(source).join(', ')}]`;
  if (typeof data !== 'object' || data === null) return typeof data === 'string' ? `'${data}'` : String(data);
  return `{ ${Object.entries(data)
    .map(([name, value]) => `${name}: ${source(value)}`)
    .join(', ')} }`;
}
