import { readdir } from 'node:fs/promises';
import { isDeepStrictEqual } from 'node:util';
import t, { type Test } from 'tap';
import { emittedBy, type Found, type Row, RULES, readAnswer, replayAnswers } from './support/answers.ts';

/**
 * Rules over real events, run by the real command, against answers that scripts without any of Corral's code have
 * computed (test/data). A question may take two rules: an alert is sent at its deadline and cannot say what came later,
 * so a second rule tells that, and the rows are put together here.
 */

t.setTimeout(240_000);

/** What the rules of a set say to a question: `rows`, or figures, each under its name in the answer. */
type AnswerFrom = (found: Found) => Row;

interface QuestionSet {
  /** Files in examples/answers. All are replayed at once. */
  readonly rules: readonly string[];
  readonly flags?: readonly string[];
  readonly questions: Readonly<Record<string, AnswerFrom>>;
}

const emitted =
  (rule: string): AnswerFrom =>
  (found) => ({ rows: found(rule) });

const withDeadline = (row: Row): Row => ({ ...row, deadline: new Date(Number(row.deadline)).toISOString() });

/** Orders rows by fields, each of which holds numbers only or texts only. */
const by =
  (...fields: readonly string[]) =>
  (a: Row, b: Row): number => {
    for (const field of fields) {
      const [left, right] = [a[field] as string, b[field] as string];
      if (left !== right) return left < right ? -1 : 1;
    }
    return 0;
  };

/** Adds to each row the `fields` of the one that says more about the event named by `seq`; null where there is none. */
function joined(rows: readonly Row[], more: readonly Row[], seq: string, fields: Readonly<Record<string, string>>) {
  const known = new Map(more.map((row) => [row[seq], row]));
  return rows.map((row) => {
    const other = known.get(row[seq]);
    return {
      ...row,
      ...Object.fromEntries(Object.entries(fields).map(([name, from]) => [name, other?.[from] ?? null])),
    };
  });
}

/** The value at position ceil(percent / 100 · n) of n sorted ones. */
const nearestRank = (sorted: readonly number[], percent: number): number | undefined =>
  sorted[Math.ceil((percent / 100) * sorted.length) - 1];

function releaseToCode(found: Found): Row {
  const latencies = found('billing-release-to-code')
    .map(({ ms }) => Number(ms))
    .sort((a, b) => a - b);
  const soon = latencies.filter((ms) => ms <= 172_800_000).length;
  return {
    count: latencies.length,
    within_48h: soon,
    later: latencies.length - soon,
    never: found('billing-released').length - latencies.length,
    p50: nearestRank(latencies, 50),
    p95: nearestRank(latencies, 95),
    p99: nearestRank(latencies, 99),
    max: latencies.at(-1),
  };
}

function slowBuild(found: Found): Row {
  const alerts = found('openstack-slow-build').map(withDeadline);
  return { rows: joined(alerts, found('openstack-build-time'), 'seq', { came_after_ms: 'ms' }) };
}

function processLife(found: Found): Row {
  const [started, ended] = [found('psexec-process-started'), found('psexec-process-ended')];
  return { rows: joined(started, ended, 'create_seq', { end_seq: 'end_seq', ms: 'ms' }).sort(by('create_seq')) };
}

function quietRoute(found: Found): Row {
  const alerts = found('flights-quiet-route').map(withDeadline);
  const rows = joined(alerts, found('flights-route-back'), 'last_seq', { next_seq: 'next_seq' });
  return { rows: rows.sort(by('deadline', 'last_seq')) };
}

/** The pairs, how many there are, between how many pairs of airports, and the twenty of these with the most. */
function oppositeDirections(found: Found): Row {
  const pairs = found('flights-opposite-directions');
  const counts = new Map<string, number>();
  for (const { pair } of pairs) counts.set(String(pair), (counts.get(String(pair)) ?? 0) + 1);
  const top = [...counts].sort(([a, n], [b, m]) => m - n || (a < b ? -1 : 1)).slice(0, 20);
  const rows = pairs.map(({ first_seq, second_seq }) => ({ first_seq, second_seq })).sort(by('second_seq'));
  return { count: pairs.length, pairs_of_airports: counts.size, top, rows };
}

/** Handles that were opened and closed, and how many of either were not. */
function handles(found: Found): Row {
  const rows = [...found('psexec-handles.pair')].sort(by('open_seq'));
  return {
    never_closed: found('psexec-handles.opened').length - rows.length,
    closed_unopened: found('psexec-handles.unopened').length,
    rows,
  };
}

const startText = (row: Row): Row => ({ ...row, start: new Date(Number(row.start)).toISOString() });

const sessions = (found: Found): Row => ({ rows: [...found('ssh-sessions')].sort(by('start', 'ip')) });

/** Sums are compared to seven decimals, as the question says. */
const apiMinute = (found: Found): Row => ({
  rows: found('openstack-api-minute')
    .map((row) => startText({ ...row, sum: Math.round(Number(row.sum) * 1e7) / 1e7 }))
    .sort(by('start', 'method', 'status')),
});

const badHours = (found: Found): Row => ({
  rows: found('flights-bad-hours').map(startText).sort(by('start', 'origin')),
});

const delayWave = (found: Found): Row => ({ rows: [...found('flights-delay-wave')].sort(by('seq')) });

/** Compares row by row and shows the first that differ: a difference of thousands of rows would take minutes to print. */
function sameRows(t: Test, actual: readonly Row[], wanted: readonly Row[]): void {
  t.equal(actual.length, wanted.length, 'number of rows');
  const differ = wanted.flatMap((row, index) => (isDeepStrictEqual(actual[index], row) ? [] : [index]));
  t.equal(differ.length, 0, 'rows that differ');
  for (const index of differ.slice(0, 3)) t.strictSame(actual[index], wanted[index], `row ${index + 1}`);
}

const sets: Readonly<Record<string, QuestionSet>> = {
  'ssh-auth': {
    rules: [
      'ssh-burst.yaml',
      'ssh-burst-then-accepted.yaml',
      'ssh-absence.yaml',
      'ssh-either-order.yaml',
      'ssh-sessions.yaml',
    ],
    questions: {
      burst: emitted('ssh-burst'),
      'burst-then-accepted': emitted('ssh-burst-then-accepted'),
      absence: (found) => ({ rows: found('ssh-absence').map(withDeadline).sort(by('deadline', 'seq')) }),
      'either-order': emitted('ssh-either-order'),
      sessions,
    },
  },
  openstack: {
    rules: [
      'openstack-lifecycle.yaml',
      'openstack-slow-build.yaml',
      'openstack-delete-and-terminate.yaml',
      'openstack-resumed-and-spawned.yaml',
      'openstack-api-minute.yaml',
    ],
    questions: {
      lifecycle: (found) => ({ rows: [...found('openstack-lifecycle')].sort(by('start')) }),
      'slow-build': slowBuild,
      'delete-and-terminate': emitted('openstack-delete-and-terminate'),
      'resumed-and-spawned': (found) => ({
        rows: [...found('openstack-resumed-and-spawned')].sort(by('spawned_seq', 'resumed_seq')),
      }),
      'api-minute': apiMinute,
    },
  },
  billing: {
    rules: [
      'billing-rebilled.yaml',
      'billing-straight-through.yaml',
      'billing-release-to-code.yaml',
      'billing-not-finished.ts',
    ],
    questions: {
      'not-finished': (found) => ({
        rows: found('billing-not-finished.overdue').map(withDeadline).sort(by('deadline', 'seq')),
      }),
      rebilled: emitted('billing-rebilled'),
      'straight-through': emitted('billing-straight-through'),
      'release-to-code': releaseToCode,
    },
  },
  psexec: {
    rules: [
      'psexec-process-life.yaml',
      'psexec-service-execution.yaml',
      'psexec-privileged-logon.yaml',
      'psexec-handles.ts',
    ],
    flags: ['--disorder', '1s'],
    questions: {
      handles,
      'process-life': processLife,
      'service-execution': emitted('psexec-service-execution'),
      'privileged-logon': (found) => ({
        rows: [...found('psexec-privileged-logon')].sort(by('logon_seq', 'special_seq')),
      }),
    },
  },
  flights: {
    rules: [
      'flights-quiet-route.yaml',
      'flights-opposite-directions.yaml',
      'flights-bad-hours.yaml',
      'flights-delay-wave.yaml',
    ],
    questions: {
      'quiet-route': quietRoute,
      'opposite-directions': oppositeDirections,
      'bad-hours': badHours,
      'delay-wave': delayWave,
    },
  },
};

for (const [set, { rules, flags = [], questions }] of Object.entries(sets)) {
  t.test(`${set}: one replay answers ${Object.keys(questions).join(', ')}`, async (t) => {
    let found: Found | undefined;
    for (const [question, answerFrom] of Object.entries(questions)) {
      const { ask, file, count, answer } = await readAnswer(`${set}.${question}`);
      found ??= emittedBy(await replayAnswers(file, rules, ...flags));
      const actual = answerFrom(found);
      t.test(`${ask} (${count})`, async (t) => {
        t.equal(answer.rows?.length ?? answer.count, count, 'the answer is complete');
        const { rows, ...figures } = actual as Row & { rows?: readonly Row[] };
        if (rows !== undefined) sameRows(t, rows, answer.rows ?? []);
        for (const [name, value] of Object.entries(figures)) t.strictSame(value, answer[name], name);
      });
    }
  });
}

t.test('psexec.late: an event later than the disorder allows is a late output, any other is seen', async (t) => {
  const { ask, file, count, answer } = await readAnswer('psexec.late');
  const rows: Row[] = [];
  for (const seconds of [0, 1, 2, 3, 4]) {
    const outputs = await replayAnswers(file, ['psexec-late.yaml'], '--disorder', `${seconds}s`);
    t.equal(outputs.length, 4_348, 'all events of the file');
    const late = outputs.filter(({ data }) => data.kind === 'late');
    t.strictSame(
      new Set(late.map(({ data }) => data.emit.lateByMs)),
      new Set(seconds === 0 ? [1_000] : []),
      'how late',
    );
    rows.push({ lateness_s: seconds, late: late.length });
  }
  t.equal(rows.length, count, 'rows');
  t.strictSame(rows, answer.rows, ask);
});

t.test('every rule with a known answer is replayed here', async (t) => {
  const files = (await readdir(RULES)).filter((name) => name !== 'README.md');
  const replayed = [...Object.values(sets).flatMap(({ rules }) => rules), 'psexec-late.yaml'];
  t.strictSame(files.sort(), replayed.sort());
});
