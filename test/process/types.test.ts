import { readdirSync, readFileSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import t from 'tap';
import ts from 'typescript';
import { packageRoot } from '../../src/cli/package-root.ts';
import { pageModules } from '../support/page-modules.ts';

/** What authors of process rules write, compiled: each line that ends with `// bad` must be an error, and no other. */

const HEAD = `
import { aggregating, eventTimer, list, map, output, processRule, reducing, source, value } from '../src/core/process/process-rule.ts';
import { harness } from '../src/core/process/harness.ts';
interface Created { readonly bookingId: string; readonly customer: string }
interface Seat { readonly ref: { readonly booking: string }; readonly seats: number }
const bookings = processRule({
  rule: 'bookings',
  from: {
    created: source<Created>('bookings', { type: 'BookingCreated', key: (event) => event.bookingId }),
    seat: source<Seat>('seats', { type: ['SeatTaken'], key: [(event) => event.ref.booking, 'event.hall'] }),
  },
  state: {
    created: value<Created>({ ttl: '1d' }),
    names: list<string>(),
    rows: map<number, Seat>({ ttl: 5000, ttlClock: 'processing' }),
    seats: reducing({ initial: 0, add: (sum, event: Seat) => sum + event.seats }),
    mean: aggregating({
      create: () => ({ n: 0, sum: 0 }),
      add: ({ n, sum }, seats: number) => ({ n: n + 1, sum: sum + seats }),
      result: ({ n, sum }) => sum / n,
    }),
  },
  timers: { deadline: eventTimer() },
  outputs: { booked: output<{ readonly seats: number }>(), note: output<string>() },
  on: {
    created(event, ctx) {
      ctx.state.created.set(event);
      ctx.timers.deadline.after('15m', event.customer);
      const customer: string | undefined = ctx.state.created.get()?.customer;
      const at: number = ctx.meta.seq + ctx.time + ctx.random();
      ctx.emit('note', customer + String(at));
    },
    seat(event, ctx) {
      ctx.state.seats.add(event);
      ctx.state.mean.add(event.seats);
      ctx.state.rows.set(event.seats, event);
      const rows: [number, Seat][] = ctx.state.rows.entries();
      const mean: number = ctx.state.mean.get();
      ctx.emit('booked', { seats: ctx.state.seats.get() + rows.length + mean });
    },
  },
  onTimer: {
    deadline(ctx, id) {
      ctx.emit('note', id.toUpperCase());
      ctx.clear();
    },
  },
});
const from = { seat: source<Seat>('seats', { key: (event) => event.ref.booking }) };
`;

const CASES: Readonly<Record<string, string>> = {
  'the rule of the reference and its harness': `
    const run = harness(bookings).event('created', { bookingId: 'b', customer: 'c' }, { time: '1m' });
    const seats: number[] = run.of('booked').map((said) => said.seats);
    run.of('bookd'); // bad
    run.event('creatd', { bookingId: 'b', customer: 'c' }, { time: 0 }); // bad
    run.event('seat', { bookingId: 'b', customer: 'c' }, { time: 0 }); // bad
    seats.length;`,
  'names and values of outputs': `
    processRule({ rule: 'r', from, outputs: { out: output<number>() }, on: { seat(event, ctx) {
      ctx.emit('out', event.seats);
      ctx.emit('aut', 1); // bad
      ctx.emit('out', 'one'); // bad
      ctx.emit('out', event.ref); // bad
    } } });`,
  'names and values of states': `
    processRule({ rule: 'r', from, state: { last: value<string>(), count: reducing({ initial: 0, add: (n, e: Seat) => n + e.seats }) }, on: { seat(event, ctx) {
      ctx.state.last.set(event.ref.booking);
      ctx.state.lost; // bad
      ctx.state.last.set(event.seats); // bad
      ctx.state.last.get().length; // bad
      ctx.state.count.add(1); // bad
      ctx.state.count.set(1); // bad
    } } });`,
  'names of timers, and that each has its function': `
    processRule({ rule: 'r', from, timers: { tick: eventTimer() }, on: { seat(_, ctx) {
      ctx.timers.tick.cancel();
      ctx.timers.tock.cancel(); // bad
    } }, onTimer: {
      tick() {},
      tock() {}, // bad
    } });
    processRule({ // bad
      rule: 'r', from, timers: { tick: eventTimer() }, on: { seat() {} } });`,
  'what each source gives, and that each has its function': `
    processRule({ rule: 'r', from, on: {
      seat(event) {
        event.seats.toFixed();
        event.sets; // bad
      },
      created() {}, // bad
    } });
    processRule({ rule: 'r', from: { ...from, other: source<number>('s', { key: (n) => n }) },
      on: { seat() {} }, // bad
    });
    source<Seat>('seats', { key: (event) => event.booking }); // bad
    source<Seat>('seats', { key: (event) => event.ref }); // bad`,
  'a rule that declares nothing has nothing': `
    processRule({ rule: 'r', from, on: { seat(event, ctx) {
      ctx.state.any; // bad
      ctx.timers.any; // bad
      ctx.emit('any', 1); // bad
      ctx.key;
    } } });`,
  'a timer has no event': `
    processRule({ rule: 'r', from, timers: { tick: eventTimer() }, on: { seat() {} }, onTimer: { tick(ctx) {
      ctx.time;
      ctx.meta; // bad
    } } });`,
};

/** The compiler over files that are not there, by path; what it complains about, by line. */
function complaints(files: ReadonlyMap<string, string>, paths: ts.MapLike<string[]>): Map<string, Map<number, string>> {
  const config = ts.readConfigFile(join(packageRoot, 'tsconfig.json'), ts.sys.readFile);
  const { options } = ts.parseJsonConfigFileContent({ ...config.config, include: [] }, ts.sys, packageRoot);
  const host = ts.createCompilerHost(options);
  const { getSourceFile, fileExists, readFile, directoryExists } = host;
  const folders = new Set([...files.keys()].map((path) => dirname(path)));
  host.directoryExists = (path) => folders.has(path) || directoryExists?.call(host, path) === true;
  host.fileExists = (path) => files.has(path) || fileExists.call(host, path);
  host.readFile = (path) => files.get(path) ?? readFile.call(host, path);
  host.getSourceFile = (path, target) => {
    const own = files.get(path);
    return own === undefined
      ? getSourceFile.call(host, path, target)
      : ts.createSourceFile(path, own, target as ts.ScriptTarget);
  };
  const program = ts.createProgram(
    [...files.keys()],
    {
      ...options,
      rootDir: packageRoot,
      noEmit: true,
      incremental: false,
      noUnusedLocals: false,
      noUnusedParameters: false,
      types: ['node'],
      paths,
    },
    host,
  );
  const found = new Map<string, Map<number, string>>();
  for (const path of files.keys()) {
    const wrong = new Map<number, string>();
    for (const { file, start, messageText } of ts.getPreEmitDiagnostics(program, program.getSourceFile(path))) {
      const line = file === undefined ? 0 : ts.getLineAndCharacterOfPosition(file, start!).line;
      wrong.set(line, ts.flattenDiagnosticMessageText(messageText, ' '));
    }
    found.set(path, wrong);
  }
  return found;
}

t.test('what is written wrongly does not compile, and what is right does', async (t) => {
  const cases = Object.entries(CASES).map(([name, text], at) => ({
    name,
    path: join(packageRoot, 'test', `process-types-${at}.ts`),
    text: `${HEAD}${text}\nexport {};\n`,
  }));
  const found = complaints(new Map(cases.map(({ path, text }) => [path, text])), {});
  for (const { name, path, text } of cases) {
    const lines = text.split('\n');
    const wrong = found.get(path)!;
    const bad = lines.flatMap((line, at) => (line.endsWith('// bad') ? [at] : []));
    const unexpected = [...wrong].filter(([line]) => !bad.includes(line));
    const missed = bad.filter((line) => !wrong.has(line)).map((line) => lines[line]!.trim());
    t.same({ unexpected, missed }, { unexpected: [], missed: [] }, name);
  }
});

t.test('the documentation and the examples compile as modules outside the package', async (t) => {
  const answers = join(packageRoot, 'examples/answers');
  const examples = readdirSync(answers).filter((name) => name.endsWith('.ts'));
  const shown = pageModules('docs/rules/process.md');
  t.ok(examples.length > 0 && shown.size > 1);
  const files = new Map([
    ...examples.map((name) => [join(answers, name), readFileSync(join(answers, name), 'utf8')] as const),
    ...[...shown].map(([name, text]) => [join(packageRoot, 'outside', name), text] as const),
    [
      join(packageRoot, 'outside', 'wrong.ts'),
      `import { harness } from 'corral/testing';\nimport bookings from './bookings.ts';\nharness(bookings).of('boked');\n`,
    ],
  ]);
  const found = complaints(files, {
    'corral/rules': [join(packageRoot, 'src/rules-module.ts')],
    'corral/testing': [join(packageRoot, 'src/testing-module.ts')],
  });
  const wrong = [...found].flatMap(([path, lines]) => [...lines].map(([line]) => `${basename(path)}:${line + 1}`));
  t.strictSame(wrong, ['wrong.ts:3'], 'types reach outside, and so do mistakes');
});
