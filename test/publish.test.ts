// biome-ignore-all lint/suspicious/noTemplateCurlyInString: subjects and message ids are templates of Corral's own
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { gzipSync } from 'node:zlib';
import t from 'tap';
import { publishLines } from '../src/cli/publish/publish-lines.ts';
import { readLines } from '../src/cli/publish/read-lines.ts';
import { parseSubject, parseText } from '../src/cli/publish/template.ts';
import { publishCommand } from '../src/cli/publish.ts';
import { decodeMessage } from '../src/core/events/decode.ts';
import type { SourceSettings } from '../src/core/events/source-settings.ts';
import { duration, instant } from '../src/core/time/units.ts';
import { connectNats } from '../src/nats/connect.ts';
import { natsSource } from '../src/nats/nats-source.ts';
import type { Publisher } from '../src/nats/publisher.ts';
import type { Clock } from '../src/ports/clock.ts';
import type { LogMessage } from '../src/ports/log.ts';
import { servers, withServer } from './support/servers.ts';

function subjectOf(template: string, data: unknown): string {
  const parsed = parseSubject(template);
  if (!parsed.ok) throw new Error(parsed.message);
  const filled = parsed.template.fill(data);
  return filled.ok ? filled.text : `not ok: ${filled.message}`;
}

t.test('subjects made from events', async (t) => {
  t.test('a field is a token or part of one, wherever it lies in the event', async (t) => {
    t.equal(subjectOf('auth.${event.type}', { type: 'Failed' }), 'auth.Failed');
    t.equal(subjectOf('${event.meta.region}.x-${ event.n }.y', { meta: { region: 'eu' }, n: 5 }), 'eu.x-5.y');
    t.equal(subjectOf('plain.subject', null), 'plain.subject');
    t.equal(subjectOf('a.${event.ok}', { ok: false }), 'a.false');
  });
  t.test('what NATS forbids in a token is percent-encoded, and so is the percent sign', async (t) => {
    t.equal(subjectOf('b.${event.type}', { type: 'CODE OK' }), 'b.CODE%20OK');
    t.equal(subjectOf('b.${event.type}', { type: 'a.b*c>d%e\t\u007f' }), 'b.a%2Eb%2Ac%3Ed%25e%09%7F');
    t.equal(subjectOf('b.${event.type}', { type: 'größe-鍵' }), 'b.größe-鍵');
  });
  t.test('an absent, null or empty field becomes _; a map or list stands against the event', async (t) => {
    for (const data of [{}, { a: null }, { a: '' }, 5, null, []]) t.equal(subjectOf('x.${event.a}', data), 'x._');
    t.equal(subjectOf('x.${event.a}', { a: {} }), 'not ok: event.a is a map');
    t.equal(subjectOf('x.${event.a}', { a: [1] }), 'not ok: event.a is a list');
    t.equal(subjectOf('x.${event.constructor}', {}), 'x._', 'only own fields are read');
  });
  t.test('the stream of a template listens to * where a field is', async (t) => {
    const wildcard = (text: string) => {
      const parsed = parseSubject(text);
      return parsed.ok && parsed.template.wildcard;
    };
    t.equal(wildcard('auth.${event.type}.x-${event.n}.y'), 'auth.*.*.y');
    t.equal(wildcard('auth'), 'auth');
  });
  t.test('what is no subject is refused with a reason', async (t) => {
    for (const text of [
      '',
      'a..b',
      '.a',
      'a.',
      'a b',
      'a.*',
      'a.>',
      'a.${event}',
      'a.${type}',
      'a.${event.type',
      'a.${event.x*}',
    ]) {
      t.match(parseSubject(text), { ok: false, message: /is no subject|cannot be read/ }, JSON.stringify(text));
    }
  });
  t.test('a message id takes the value as it is, and must have one', async (t) => {
    const parsed = parseText('${event.id}/a b');
    t.match(parsed.ok && parsed.template.fill({ id: 'x.y z' }), { ok: true, text: 'x.y z/a b' });
    t.match(parsed.ok && parsed.template.fill({}), { ok: false, message: 'event.id is absent or empty' });
  });
});

t.test('lines of files', async (t) => {
  const folder = await mkdtemp(join(tmpdir(), 'corral-lines-'));
  t.teardown(() => rm(folder, { recursive: true }));
  const read = async (content: Buffer | string): Promise<string[]> => {
    const file = join(folder, 'events');
    await writeFile(file, content);
    const lines: string[] = [];
    for await (const some of readLines(file)) lines.push(...some.map(String));
    return lines;
  };
  t.test('come whole, across the bounds of reads, plain or gzip, with or without a last line end', async (t) => {
    const lines = Array.from({ length: 3000 }, (_, n) => `${n} ${'käse '.repeat(n % 200)}`);
    t.same(await read(lines.join('\n')), lines);
    t.same(await read(`${lines.join('\n')}\n`), lines);
    t.same(await read(gzipSync(lines.join('\n'))), lines);
    t.same(await read(Buffer.concat([gzipSync('a\nb'), gzipSync('c\nd')])), ['a', 'bc', 'd'], 'joined gzip files');
  });
  t.test('of nothing are none, and a single byte is one', async (t) => {
    t.same(await read(''), []);
    t.same(await read(gzipSync('')), []);
    t.same(await read('5'), ['5']);
    t.same(await read('\n\n'), ['', '']);
  });
  t.test('fail for a broken gzip file and one that is not there', async (t) => {
    await t.rejects(read(gzipSync('x'.repeat(1000)).subarray(0, 15)), /unexpected end of file/);
    await t.rejects(async () => {
      for await (const _ of readLines(join(folder, 'nothing'))) t.fail('no lines');
    }, /ENOENT/);
  });
});

const settings: SourceSettings = {
  name: 's',
  stream: 'S',
  subject: undefined,
  format: 'auto',
  start: { kind: 'beginning' },
  disorder: duration(0),
  idleAfter: duration(2000),
  publisher: undefined,
  extraction: { each: undefined, derived: [], where: undefined, id: undefined, type: undefined, time: undefined },
  eventBytesMax: 1 << 20,
};

for (const server of await servers()) {
  t.test(`publishing to the ${server.name} nats-server`, async (t) => {
    const nats = await withServer(t, server);
    const link = await connectNats({ url: nats.url, tries: 'once' });
    t.teardown(() => link.close());
    const folder = await mkdtemp(join(tmpdir(), 'corral-publish-'));
    t.teardown(() => rm(folder, { recursive: true }));
    const input = join(folder, 'events.ndjson');

    /** Runs the command and gives its exit code and, with --json, its summary. */
    async function publish(lines: readonly string[], ...flags: string[]) {
      await writeFile(input, gzipSync(lines.join('\n')));
      const out = t.capture(process.stdout, 'write', () => true);
      const err = t.capture(process.stderr, 'write', () => true);
      const before = process.exitCode;
      await publishCommand()
        .exitOverride()
        .parseAsync([input, '--server', nats.url, '--json', ...flags], { from: 'user' });
      const code = process.exitCode;
      process.exitCode = before;
      const text = (calls: () => { args: unknown[] }[]) => calls().map(({ args }) => String(args[0]));
      const [summary] = text(out).filter((line) => line.startsWith('{'));
      return { code, errors: text(err).join(''), summary: summary === undefined ? undefined : JSON.parse(summary) };
    }

    async function stored(stream: string): Promise<LogMessage[]> {
      const source = natsSource(link, { stream, subject: undefined });
      const { lastSequence } = await source.facts();
      const reader = source.read(1);
      const messages: LogMessage[] = [];
      while (messages.at(-1)?.sequence !== lastSequence) messages.push(...((await reader.next()) ?? []));
      await reader.close();
      return messages;
    }
    const dataOf = (messages: readonly LogMessage[]) =>
      messages.flatMap((message) => decodeMessage(message, settings).events.map((event) => event.data));

    const events = Array.from({ length: 500 }, (_, n) => ({ n, type: n % 50 < 25 ? 'A' : 'B C' }));
    const lines = events.map((event) => JSON.stringify(event));

    await t.test('each event is a message of its own on the subject of its fields, in order', async (t) => {
      const { code, summary } = await publish(lines, '--subject', 'one.${event.type}', '--stream', 'ONE', '--create');
      t.equal(code, 0);
      t.match(summary, { events: 500, messages: 500, stored: 500, failed: 0, skipped: 0 });
      const messages = await stored('ONE');
      t.same(dataOf(messages), events);
      t.same([...new Set(messages.map(({ subject }) => subject))], ['one.A', 'one.B%20C']);
    });
    for (const format of ['JSON', 'msgpack']) {
      await t.test(`a batch of ${format} never reorders: a change of subject ends it`, async (t) => {
        const stream = `BATCH_${format}`;
        const flags = format === 'msgpack' ? ['--msgpack'] : [];
        const { summary } = await publish(
          lines,
          ...['--subject', `${stream}.\${event.type}`, '--stream', stream, '--create', '--batch', '10', ...flags],
        );
        t.match(summary, { events: 500, messages: 60, stored: 60 });
        t.same(dataOf(await stored(stream)), events);
      });
    }
    await t.test('a batch stays under what the server takes', async (t) => {
      const large = Array.from({ length: 30 }, (_, n) => ({ n, text: 'x'.repeat(200_000) }));
      const flags = ['--subject', 'large', '--stream', 'LARGE', '--create', '--batch', '1000'];
      const { summary } = await publish(
        large.map((event) => JSON.stringify(event)),
        ...flags,
      );
      t.match(summary, { events: 30, messages: 6, stored: 6 });
      t.same(dataOf(await stored('LARGE')), large);
    });
    await t.test('a message id makes publishing again harmless', async (t) => {
      const flags = ['--subject', 'ids', '--stream', 'IDS', '--create', '--msg-id', 'e-${event.n}', '--count', '20'];
      t.match((await publish(lines, ...flags)).summary, { events: 20, stored: 20, duplicates: 0 });
      t.match((await publish(lines, ...flags)).summary, { events: 20, stored: 0, duplicates: 20 });
    });
    await t.test(
      'lines that cannot be published are named and left out, the rest goes on, and the exit code is 1',
      async (t) => {
        const bad = ['{"a":', '', '{"type":{}}', `"${'x'.repeat(2_000_000)}"`, '{"type":"ok"}'];
        const { code, summary, errors } = await publish(
          bad,
          '--subject',
          'bad.${event.type}',
          '--stream',
          'BAD',
          '--create',
        );
        t.equal(code, 1);
        t.match(summary, { events: 1, stored: 1, skipped: 3 });
        t.match(errors, /line 1 is not JSON/);
        t.match(errors, /line 3 has no subject: event\.type is a map/);
        t.match(errors, /line 4 is larger than a message on this server may be/);
        t.same(dataOf(await stored('BAD')), [{ type: 'ok' }]);
      },
    );
    await t.test('a stream that is missing, or another than named, is a failure that says so', async (t) => {
      t.match(await publish(lines, '--subject', 'none.x', '--stream', 'NONE'), {
        code: 1,
        errors: /NONE does not exist/,
      });
      t.match(await publish(lines, '--subject', 'none.x'), {
        code: 1,
        summary: { failed: 500 },
        errors: /no responders/,
      });
      const wrong = await publish(lines, '--subject', 'one.x', '--stream', 'LARGE');
      t.match(wrong, { code: 1, summary: { stored: 0, failed: 500 } }, 'ONE listens to the subject, LARGE was named');
    });
  });
}

t.test('a rate makes each event due a fixed time after the one before, whatever the batches', async (t) => {
  let now = 5000;
  const clock: Clock = {
    now: () => instant(0),
    monotonic: () => now,
    after(delay, callback) {
      now += delay;
      setImmediate(callback);
      return () => {};
    },
  };
  const sent: number[] = [];
  const publisher: Publisher = {
    bodyMax: 1 << 20,
    async publish() {
      sent.push(now - 5000);
    },
    flush: async () => ({ stored: sent.length, duplicates: 0, failed: 0, firstFailure: undefined }),
  };
  const subject = parseSubject('s');
  if (!subject.ok) throw new Error(subject.message);
  const run = async (batch: number) => {
    now = 5000;
    sent.length = 0;
    const lines = [Array.from({ length: 6 }, () => Buffer.from('1'))];
    await publishLines(Readable.from(lines), publisher, {
      subject: subject.template,
      messageId: undefined,
      batch,
      rate: 4,
      count: undefined,
      msgpack: false,
      stream: undefined,
      clock,
      onSkipped: (line, reason) => void t.fail(`line ${line} ${reason}`),
      onProgress: () => {},
    });
    return sent;
  };
  t.same(await run(1), [0, 250, 500, 750, 1000, 1250]);
  t.same(await run(2), [250, 750, 1250], 'a batch goes when its last event is due');
  t.same(await run(4), [750, 1250], 'what is left at the end goes at once');
});

t.test('a command line that cannot be used is refused', async (t) => {
  const run = (...flags: string[]) =>
    publishCommand()
      .exitOverride()
      .configureOutput({ writeErr: () => {} })
      .parseAsync(flags, { from: 'user' });
  for (const flags of [
    [],
    ['--subject', 'a b'],
    ['--subject', 'a', '--batch', '0'],
    ['--subject', 'a', '--rate', 'fast'],
    ['--subject', 'a', '--count', '1.5'],
    ['--subject', 'a', '--create'],
    ['--subject', 'a', '--msg-id', '${event.id}', '--batch', '2'],
    ['--subject', 'a', '--unknown'],
  ]) {
    await t.rejects(run(...flags), { name: 'CommanderError' }, flags.join(' '));
  }
});
