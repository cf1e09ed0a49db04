import t, { type Test } from 'tap';
import { compileRules } from '../src/core/rules/compile-rules.ts';
import { Problems } from '../src/core/rules/document.ts';
import { readYaml } from '../src/core/rules/yaml-document.ts';
import { decodeForward, decodeForwarded, encodeForward, encodeForwarded } from '../src/core/shards/forward.ts';
import { instant } from '../src/core/time/units.ts';
import type { Corral, Settings } from '../src/corral.ts';
import { MemoryLog } from '../src/memory/memory-log.ts';
import { MemorySource } from '../src/memory/memory-source.ts';
import { natsOutbox } from '../src/nats/nats-outbox.ts';
import { natsSource } from '../src/nats/nats-source.ts';
import { RelayedUpto } from '../src/pipeline/relayed-upto.ts';
import type { Outbox, Sent } from '../src/ports/outbox.ts';
import { memoryNode, messagesOf } from './support/memory-node.ts';
import { connected, stream, take } from './support/nats-streams.ts';
import { rulesOf } from './support/rules-of.ts';
import { servers, withServer } from './support/servers.ts';
import { until } from './support/until.ts';

// Matches at a subject of the rule's choice (`to`): at least once, in order, once where the stream knows their ids.

t.setTimeout(240_000);

const rule = (to: string): string => `
rule: seen
from: orders
key: event.order
pattern:
  - begin: it
    type: Paid
emit: {n: "\${it.n}"}
to: ${to}
`;

/** Nodes one after another over one log and one source. */
class World {
  readonly source = new MemorySource({ name: 'ORDERS', now: () => instant(1) });
  private now = 1_000;
  readonly log = new MemoryLog({ prefix: 'corral', now: () => instant(++this.now) });
  private published = 0;
  private nodes = 0;

  publish(count: number, order = 'one'): void {
    for (let i = 0; i < count; i += 1) {
      const n = ++this.published;
      const body = Buffer.from(JSON.stringify({ kind: 'Paid', at: 1000 + n, order, n, fill: 'x'.repeat(200) }));
      this.source.publish({ subject: 'orders.new', body });
    }
  }

  start(outbox: Outbox, settings: Partial<Settings> = {}): Corral {
    const rules = rulesOf(rule(`{subject: "alerts.\${key}"}`), ['orders']);
    const { corral } = memoryNode(rules, new Map([['orders', this.source]]), {
      ports: { log: this.log, outbox },
      settings: { atEnd: 'stop', shards: 1, node: `n${++this.nodes}`, ...settings },
    });
    corral.start();
    return corral;
  }

  async stored(): Promise<number> {
    return (await messagesOf(this.log, 'corral.match.>')).length;
  }
}

/** A stream with a duplicate window that covers all. */
class Target implements Outbox {
  readonly ids: string[] = [];
  readonly numbers: number[] = [];
  readonly subjects = new Set<string>();
  duplicates = 0;
  answer: (message: number) => Sent | undefined = () => undefined;
  private asked = 0;

  async publish(subject: string, id: string, body: Uint8Array): Promise<Sent> {
    const answer = this.answer(++this.asked);
    if (answer?.kind === 'failed' && answer.cause === 'refused') return answer;
    const duplicate = this.ids.includes(id);
    if (duplicate) this.duplicates += 1;
    else {
      this.ids.push(id);
      this.subjects.add(subject);
      this.numbers.push(JSON.parse(Buffer.from(body).toString()).data.emit.n);
    }
    return answer ?? { kind: 'stored', duplicate };
  }
}

const upto = (count: number): number[] => Array.from({ length: count }, (_, n) => n + 1);

t.test('matches go out in order after they are stored, and a node that takes over repeats none', async (t) => {
  const world = new World();
  const target = new Target();
  const first = world.start(target);
  world.publish(50);
  await until(() => target.numbers.length === 50);
  t.same(target.numbers, upto(50));
  t.same([...target.subjects], ['alerts.one']);
  t.equal(target.ids[6], '/corral/seen/0/7');
  t.same([...first.measures.rules.get('seen')!.forwards], [['stored', 50]]);
  await first.drain();
  const second = world.start(target);
  world.publish(5);
  await until(() => target.numbers.length === 55);
  t.same(target.numbers, upto(55));
  t.equal(target.duplicates, 0, 'how far it was had been stored');
  await second.drain();
});

t.test('what is refused or not answered is sent again in its turn', async (t) => {
  const world = new World();
  const target = new Target();
  target.answer = (n) => (n % 3 === 0 ? { kind: 'failed', cause: n % 2 === 0 ? 'refused' : 'lost' } : undefined);
  const node = world.start(target);
  world.publish(12);
  await until(() => target.numbers.length === 12 && node.measures.node.forwardsWaiting === 0);
  t.same(target.numbers, upto(12));
  t.ok(target.duplicates > 0, 'the answers that were lost');
  const { forwards } = node.measures.rules.get('seen')!;
  t.ok(forwards.get('failed')! > 0);
  t.equal(forwards.get('duplicate'), target.duplicates);
  await node.drain();
});

t.test('a match that was sent without being noted is sent again with the same id', async (t) => {
  const world = new World();
  const target = new Target();
  const node = world.start(target);
  world.publish(3);
  await until(() => target.numbers.length === 3);
  await until(async () => (await world.log.last('corral.journal.0.forwarded')) !== undefined);
  const noted = await world.log.last('corral.journal.0.forwarded');
  await node.drain();
  // As if the crash had come before it was noted.
  const end = await world.log.last('corral.journal.0.forwarded');
  await world.log.append('corral.journal.0.forwarded', end!.sequence, encodeForwarded(new Map([['seen', 1]])));
  t.same([...decodeForwarded(noted!.body)], [['seen', 3]]);
  const second = world.start(target);
  world.publish(1);
  await until(() => target.numbers.length === 4);
  t.same(target.numbers, upto(4));
  t.equal(target.duplicates, 2);
  await second.drain();
});

t.test('no snapshot starts after a match that still waits: the next owner finds it', async (t) => {
  const snapshots = { afterBytes: 20_000, pageBytes: 4_096 };
  const run = async (world: World, outbox: Outbox): Promise<Corral> => {
    const node = world.start(outbox, { snapshots });
    for (let round = 1; round <= 20; round += 1) {
      world.publish(50);
      await until(async () => (await world.stored()) === round * 50);
    }
    return node;
  };
  const control = new World();
  const good = new Target();
  const node = await run(control, good);
  await until(() => node.measures.node.snapshots > 0);
  await node.drain();

  const world = new World();
  const deaf: Outbox = { publish: async () => ({ kind: 'failed', cause: 'no responders' }) };
  const waiting = await run(world, deaf);
  t.equal(waiting.measures.node.forwardsWaiting, 1000);
  await waiting.drain();
  const target = new Target();
  const next = world.start(target, { snapshots });
  await until(() => target.numbers.length === 1000);
  t.same(target.numbers, upto(1000), 'all of them, in order');
  await next.drain();
});

t.test('a shard that works carefully and waits for its matches to be taken holds up no other', async (t) => {
  const world = new World();
  const taken = new Set<string>();
  const outbox: Outbox = {
    async publish(subject) {
      if (subject === 'alerts.one') return { kind: 'failed', cause: 'no responders' };
      taken.add(subject);
      return { kind: 'stored', duplicate: false };
    },
  };
  const settings = { shards: 2 };
  const first = world.start(outbox, settings);
  world.publish(20_000);
  let before = -1;
  await until(async () => {
    const { forwardsWaiting } = first.measures.node;
    const isStill = forwardsWaiting > 5_000 && forwardsWaiting === before;
    before = forwardsWaiting;
    await new Promise((resolve) => setTimeout(resolve, 100));
    return isStill;
  });
  t.ok(before < 15_000, 'the shard waits');
  await first.drain();
  // It commits nothing, so the one after it is careful.
  const second = world.start(outbox, settings);
  await until(() => second.measures.node.recoveries === 2);
  world.publish(1);
  await second.drain();
  const third = world.start(outbox, settings);
  await until(() => third.measures.node.recoveries === 2 && third.measures.node.shardsCareful > 0);
  world.publish(1);
  await new Promise((resolve) => setTimeout(resolve, 200));
  for (const order of ['a', 'b', 'c', 'd', 'e', 'f', 'g', 'h']) world.publish(1, order);
  await until(() => taken.size > 0);
  t.ok(third.measures.node.shardsCareful > 0, 'the one that waits still is');
  await third.drain();
});

t.test('one output that is stuck holds up the place for snapshots, however many commits follow', async (t) => {
  const done = new Map<string, number>();
  const relayed = new RelayedUpto({ number: 0, sequence: 0, cursor: 0 }, (output) => {
    return (done.get(output.subject) ?? 0) >= output.ordinal;
  });
  const add = (number: number, subject: string, ordinal: number): void => {
    const outputs = [{ subject, ordinal, body: Buffer.alloc(1) }];
    const place = { number, sequence: 2 * number, cursor: 3 * number };
    relayed.add({ ...place, outputs, journalBytes: 10, logBytes: 1, records: new Map([['l', number]]) });
  };
  add(1, 'match.a.0', 1);
  add(2, 'forward.a.0', 1);
  for (let number = 3; number <= 3000; number += 1) add(number, 'match.a.0', number - 1);
  done.set('match.a.0', 2998);
  t.equal(relayed.now.number, 1);
  done.set('forward.a.0', 1);
  t.equal(relayed.now.number, 1023, 'the last commits wait together');
  done.set('match.a.0', 2999);
  const records = new Map([['l', 3000]]);
  t.same(relayed.now, { number: 3000, sequence: 6000, cursor: 9000, journalBytes: 30_000, logBytes: 3000, records });
});

t.test('subjects that cannot be, or that come back to the rule, are refused', (t) => {
  const problems = (to: string, more = ''): string[] => {
    const found = new Problems();
    const documents = readYaml('rules.yaml', rule(to) + more, found);
    const filters = new Map([['orders', 'orders.>']]);
    const compiled = compileRules(documents, { sources: ['orders'], subjects: { prefix: 'corral', filters } }, found);
    return compiled.ok ? [] : compiled.problems.map(({ code }) => code);
  };
  for (const good of ['{subject: alerts}', `{subject: "a.b\${key}.c", ack: false}`, '{subject: "orders"}'])
    t.same(problems(good), [], good);
  for (const [bad, code] of [
    ['alerts', 'RULE_TYPE'],
    ['{}', 'RULE_TYPE'],
    ['{subject: 5}', 'RULE_TYPE'],
    ['{subject: a, ack: maybe}', 'RULE_TYPE'],
    ['{subject: a, stream: b}', 'RULE_FIELD_UNKNOWN'],
    [`{subject: "a.\${"}`, 'TEMPLATE_SYNTAX'],
    [`{subject: "a.\${event.x}"}`, 'EXPRESSION_NAME_UNKNOWN'],
    [`{subject: "\${key}.a"}`, 'RULE_TO_SUBJECT'],
    ['{subject: "a..b"}', 'RULE_TO_SUBJECT'],
    ['{subject: "a.*"}', 'RULE_TO_SUBJECT'],
    ['{subject: "a b"}', 'RULE_TO_SUBJECT'],
    ['{subject: "$JS.API.STREAM.DELETE.x"}', 'RULE_TO_SUBJECT'],
    ['{subject: "corral.match.seen.0"}', 'RULE_TO_SUBJECT'],
    [`{subject: "orders.alerts.\${key}"}`, 'RULE_TO_LOOP'],
  ])
    t.same(problems(bad!), [code], bad ?? '');
  const chained =
    '---\nrule: next\nfrom: {rule: seen}\nkey: event.key\npattern:\n  - begin: it\nto: {subject: orders.x}\n';
  t.same(problems('{subject: alerts}', chained), ['RULE_TO_LOOP'], 'through another rule');
  t.end();
});

t.test('what commits and the journal hold of it is read again', (t) => {
  const forward = { match: 7, subject: 'alerts.ann', acknowledged: true };
  t.equal(Buffer.from(encodeForward(forward)).toString(), '[1,7,"alerts.ann",true]');
  t.same(decodeForward(Buffer.from('[1,7,"alerts.ann",true]')), forward);
  t.equal(Buffer.from(encodeForwarded(new Map([['seen', 3]]))).toString(), '[1,{"seen":3}]');
  t.throws(() => decodeForward(Buffer.from('[2,7]')), RangeError);
  t.throws(() => decodeForwarded(Buffer.from('[2,{}]')), RangeError);
  t.end();
});

for (const server of await servers()) {
  t.test(`on the ${server.name} nats-server`, async (t: Test) => {
    const link = await connected(t, await withServer(t, server));
    await stream(link, 'ORDERS');
    const send = (n: number): void => {
      link.client.publish('ORDERS.new', JSON.stringify({ kind: 'Paid', at: 1000 + n, order: 'one', n }));
    };
    const rules = rulesOf(rule(`{subject: "ALERTS.\${emit.n}"}`), ['orders']);
    const log = new MemoryLog({ prefix: 'corral', now: () => instant(0) });
    const begin = (): Corral => {
      const sources = new Map([['orders', natsSource(link, { stream: 'ORDERS', subject: undefined })]]);
      const settings = { atEnd: 'stop' as const, shards: 1 };
      const { corral } = memoryNode(rules, sources, { ports: { log, outbox: natsOutbox(link) }, settings });
      corral.start();
      return corral;
    };
    const node = begin();
    for (const n of upto(20)) send(n);
    await until(() => (node.measures.rules.get('seen')!.forwards.get('failed') ?? 0) > 1);
    t.equal(node.measures.node.forwardsWaiting, 20, 'no stream takes them yet');
    await stream(link, 'ALERTS');
    await until(() => node.measures.node.forwardsWaiting === 0);
    await node.drain();
    const end = await log.last('corral.journal.0.forwarded');
    await log.append('corral.journal.0.forwarded', end!.sequence, encodeForwarded(new Map([['seen', 15]])));
    const next = begin();
    send(21);
    await until(() => next.measures.rules.get('seen')!.forwards.get('stored') === 1);
    t.equal(next.measures.rules.get('seen')!.forwards.get('duplicate'), 5, 'the stream knows their ids');
    const reader = natsSource(link, { stream: 'ALERTS', subject: undefined }).read(1);
    const alerts = await take(reader, 21);
    t.same(
      alerts.map(({ subject }) => subject),
      upto(21).map((n) => `ALERTS.${n}`),
    );
    t.match(alerts[0]!.headers, { 'nats-msg-id': '/corral/seen/0/1', 'content-type': 'application/cloudevents+json' });
    await reader.close();
    await next.drain();

    const heard: string[] = [];
    link.client.subscribe('pager.>', { callback: (_, { subject }) => void heard.push(subject) });
    const outbox = natsOutbox(link);
    t.same(await outbox.publish('pager.x', 'id', Buffer.from('{}'), false), { kind: 'sent' });
    await until(() => heard.length === 1);
  });
}
