import { request } from 'node:http';
import { connect } from 'node:net';
import t from 'tap';
import { HttpListenError } from '../src/http/http-error.ts';
import { startHttp } from '../src/http/http-server.ts';
import { METRICS, metricsRegistry } from '../src/http/metrics.ts';
import { createMeasures } from '../src/pipeline/create-measures.ts';
import type { Measures } from '../src/ports/measures.ts';
import { observeSeconds } from '../src/ports/observe-seconds.ts';

const RULES = {
  version: 'r1',
  keyspaces: [],
  rules: [{ name: 'break-in' }, { name: 'cut-off' }],
} as unknown as Parameters<typeof createMeasures>[0]['rules'];

const someMeasures = (): Measures =>
  createMeasures({ sources: [{ name: 'auth' }], rules: RULES, references: [{ name: 'customers' }] });

const registryOf = (measures: Measures | undefined, notReady: readonly string[] = []) =>
  metricsRegistry({ measures: () => measures, notReady: () => notReady, version: '1.2.3', rules: 'r1' });

/** Our own lines of a scrape. */
async function scrape(measures: Measures | undefined, notReady: readonly string[] = []): Promise<string[]> {
  const text = await registryOf(measures, notReady).metrics();
  return text.split('\n').filter((line) => line.startsWith('corral_'));
}

interface Answer {
  readonly status: number | undefined;
  readonly type: string | undefined;
  readonly body: string;
  readonly allow: string | undefined;
}

function ask(url: string, method = 'GET'): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const asked = request(url, { method, agent: false }, (response) => {
      let body = '';
      response.setEncoding('utf8').on('data', (text: string) => {
        body += text;
      });
      response.on('end', () => {
        const { 'content-type': type, allow } = response.headers;
        resolve({ status: response.statusCode, type, body, allow });
      });
    });
    asked.on('error', reject);
    asked.end();
  });
}

t.test('metrics show what the node has counted', async (t) => {
  const measures = someMeasures();
  const auth = measures.sources.get('auth')!;
  auth.eventsIn = 7;
  auth.pending = 3;
  auth.deadLetters.set('undecodable', 2);
  const breakIn = measures.rules.get('break-in')!;
  breakIn.matches = 1;
  breakIn.sideOutputs.set('timeout', 4);
  measures.node.actorsActive = 5;
  measures.node.appends.refused = 6;
  measures.node.busySeconds.turn = 1.5;
  const lines = await scrape(measures);
  for (const line of [
    'corral_events_total{source="auth"} 7',
    'corral_source_pending_messages{source="auth"} 3',
    'corral_dead_letters_total{source="auth",reason="undecodable"} 2',
    'corral_matches_total{rule="break-in"} 1',
    'corral_matches_total{rule="cut-off"} 0',
    'corral_side_outputs_total{rule="break-in",output="timeout"} 4',
    'corral_actors_active 5',
    'corral_appends_total{result="refused"} 6',
    'corral_busy_seconds_total{stage="turn"} 1.5',
    'corral_ready 1',
    'corral_build_info{version="1.2.3",rules="r1"} 1',
  ])
    t.ok(lines.includes(line), line);
});

t.test('a second scrape shows the same counts, not their sum', async (t) => {
  const measures = someMeasures();
  measures.sources.get('auth')!.eventsIn = 7;
  const registry = registryOf(measures);
  t.equal(await countOf(registry), 7);
  t.equal(await countOf(registry), 7);
  measures.sources.get('auth')!.eventsIn = 9;
  t.equal(await countOf(registry), 9);
});

async function countOf(registry: ReturnType<typeof registryOf>): Promise<number> {
  return Number(/^corral_events_total\{source="auth"\} (\d+)$/m.exec(await registry.metrics())?.[1]);
}

t.test('every field that a node counts is shown by some metric', async (t) => {
  const read = new Set<string>();
  const watched = <Value extends object>(value: Value, path: string): Value =>
    new Proxy(value, {
      get(target, name) {
        const found: unknown = Reflect.get(target, name);
        if (typeof name === 'string' && name in target) read.add(`${path}.${name}`);
        return found;
      },
    });
  const plain = someMeasures();
  const measures: Measures = {
    node: watched(plain.node, 'node'),
    sources: new Map([...plain.sources].map(([name, source]) => [name, watched(source, 'source')])),
    rules: new Map([...plain.rules].map(([name, rule]) => [name, watched(rule, 'rule')])),
    references: new Map([...plain.references].map(([name, counts]) => [name, watched(counts, 'reference')])),
  };
  await scrape(measures);
  const fields = [
    ...Object.keys(plain.node).map((field) => `node.${field}`),
    ...Object.keys(plain.sources.get('auth')!).map((field) => `source.${field}`),
    ...Object.keys(plain.rules.get('break-in')!).map((field) => `rule.${field}`),
    ...Object.keys(plain.references.get('customers')!).map((field) => `reference.${field}`),
  ];
  const unshown = fields.filter((field) => !read.has(field));
  t.strictSame(unshown, [], 'declare a metric in src/http/metrics.ts for each of these, and add it to docs/metrics.md');
});

t.test('names, units and labels of metrics keep to the conventions', async (t) => {
  for (const { name, type, help, labels } of METRICS) {
    t.match(name, /^corral_[a-z_]+$/);
    t.equal(name.endsWith('_total'), type === 'counter', `${name}: counters end with _total, and nothing else does`);
    if (type === 'histogram') t.match(name, /_seconds$/, `${name} is in base units`);
    t.match(help, /^[A-Z0-9].*\.$/, `${name}: the help is a sentence`);
    for (const label of labels)
      t.ok(
        [
          'source',
          'rule',
          'reason',
          'result',
          'stage',
          'limit',
          'output',
          'reference',
          'version',
          'rules',
          'change',
        ].includes(label),
        label,
      );
  }
});

t.test('a histogram counts each observation in its bucket and all above it', async (t) => {
  const measures = someMeasures();
  for (const seconds of [0.0004, 0.002, 0.002, 30]) observeSeconds(measures.node.commitSeconds, seconds);
  const lines = await scrape(measures);
  for (const line of [
    'corral_commit_seconds_bucket{le="0.0005"} 1',
    'corral_commit_seconds_bucket{le="0.001"} 1',
    'corral_commit_seconds_bucket{le="0.0025"} 3',
    'corral_commit_seconds_bucket{le="10"} 3',
    'corral_commit_seconds_bucket{le="+Inf"} 4',
    'corral_commit_seconds_count 4',
    'corral_commit_seconds_sum 30.0044',
  ])
    t.ok(lines.includes(line), line);
});

t.test('before the first event a source has no watermark, rather than one in the distant past', async (t) => {
  const measures = someMeasures();
  const watermark = /^corral_source_watermark_timestamp_seconds/;
  t.notOk((await scrape(measures)).some((line) => watermark.test(line)));
  measures.sources.get('auth')!.watermarkMs = 1_500;
  t.ok((await scrape(measures)).includes('corral_source_watermark_timestamp_seconds{source="auth"} 1.5'));
});

t.test('while NATS is waited for, metrics can be read and say that the node is not ready', async (t) => {
  const lines = await scrape(undefined, ['the node is connecting to NATS']);
  t.ok(lines.includes('corral_ready 0'));
  t.ok(lines.includes('corral_commit_seconds_count 0'));
});

t.test('the pages', async (t) => {
  let reasons: readonly string[] = ['lane auth is down: there is no stream AUTH'];
  const server = await startHttp({
    host: '127.0.0.1',
    port: 0,
    registry: registryOf(someMeasures()),
    notReady: () => reasons,
  });
  t.teardown(() => server.close());

  t.test('/readyz says why the node is not ready, and when it is', async (t) => {
    const before = await ask(`${server.url}/readyz`);
    t.equal(before.status, 503);
    t.strictSame(JSON.parse(before.body), { ready: false, reasons });
    reasons = [];
    const after = await ask(`${server.url}/readyz?verbose`);
    t.equal(after.status, 200);
    t.strictSame(JSON.parse(after.body), { ready: true });
  });
  t.test('/livez is 200 while the process answers, ready or not', async (t) => {
    reasons = ['the node is connecting to NATS'];
    t.match(await ask(`${server.url}/livez`), { status: 200, body: '{"alive":true}\n' });
  });
  t.test('/metrics is in the text format, with those of the process', async (t) => {
    const { status, type, body } = await ask(`${server.url}/metrics`);
    t.equal(status, 200);
    t.match(type, 'text/plain; version=0.0.4');
    t.match(body, /^corral_events_total/m);
    t.match(body, /^process_cpu_seconds_total/m);
    t.notMatch(body, /^# TYPE nodejs_\w+_total gauge/m, 'nothing that is no counter is named like one');
  });
  t.test('other pages are 404, other methods 405, HEAD has no body', async (t) => {
    t.equal((await ask(`${server.url}/`)).status, 404);
    t.match(await ask(`${server.url}/metrics`, 'POST'), { status: 405, allow: 'GET, HEAD' });
    t.match(await ask(`${server.url}/livez`, 'HEAD'), { status: 200, body: '' });
  });
  t.test('a taken port is refused by name, with the way out', async (t) => {
    const registry = registryOf(undefined);
    const taken = startHttp({ host: '127.0.0.1', port: server.port, registry, notReady: () => [] });
    await t.rejects(taken, HttpListenError);
    await t.rejects(taken, { code: 'HTTP_LISTEN', message: /--http-port/ });
  });
});

t.test('closing ends open connections, answers no more, and may be asked for twice', async (t) => {
  const server = await startHttp({
    host: '127.0.0.1',
    port: 0,
    registry: registryOf(undefined),
    notReady: () => [],
  });
  const idle = connect(server.port, '127.0.0.1');
  await new Promise((resolve) => idle.once('connect', resolve));
  const ended = new Promise((resolve) => idle.once('close', resolve));
  await Promise.all([server.close(), server.close()]);
  await ended;
  await t.rejects(ask(`${server.url}/livez`), { code: 'ECONNREFUSED' });
});

t.test('a metric that cannot be read is a 500, not the end of the process', async (t) => {
  const registry = metricsRegistry({
    measures: () => {
      throw new Error('measures are gone');
    },
    notReady: () => [],
    version: '1',
    rules: 'r1',
  });
  const server = await startHttp({ host: '127.0.0.1', port: 0, registry, notReady: () => [] });
  t.teardown(() => server.close());
  t.match(await ask(`${server.url}/metrics`), { status: 500, body: /measures are gone/ });
  t.equal((await ask(`${server.url}/livez`)).status, 200);
});
