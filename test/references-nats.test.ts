// biome-ignore-all lint/suspicious/noTemplateCurlyInString: rules have templates of Corral's own
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { headers } from 'nats';
import t from 'tap';
import type { NatsLink } from '../src/nats/link.ts';
import { type Deployment, deploy, until } from './support/deployment.ts';
import { corral } from './support/replay.ts';
import { servers } from './support/servers.ts';

/** Reference data on a real nats-server: a bucket that changes while nodes serve, are killed, and begin again. */

t.setTimeout(300_000);

const RULE = `
rule: tiers
from: shop
key: event.user
pattern:
  - begin: bought
emit: {n: "\${bought.n}", tier: '\${lookup("customers", key).tier}', limit: '\${lookup("limits", key)}'}
`;

/** A KV bucket as clients make it, with a history of one. */
async function createBucket(link: NatsLink, name: string): Promise<void> {
  const config = {
    name: `KV_${name}`,
    subjects: [`$KV.${name}.>`],
    max_msgs_per_subject: 1,
    discard: 'new',
    allow_rollup_hdrs: true,
    deny_delete: true,
    storage: 'file',
  };
  await ask(link, `${link.api}.STREAM.CREATE.KV_${name}`, JSON.stringify(config));
}

async function ask(link: NatsLink, subject: string, body: string, operation?: string): Promise<void> {
  const more = headers();
  if (operation !== undefined) more.set('KV-Operation', operation);
  const { data, cause } = await link.request(subject, Buffer.from(body), operation === undefined ? undefined : more);
  const answer = data === undefined ? { error: cause } : JSON.parse(Buffer.from(data).toString());
  if (answer.error !== undefined) throw new Error(`${subject}: ${JSON.stringify(answer.error)}`);
}

/** What the metrics of a node say; undefined when it says nothing of the kind. */
async function metric(log: string, name: string): Promise<number | undefined> {
  const http = /"url":"(http:[^"]+)"/.exec(log)?.[1];
  if (http === undefined) return undefined;
  const line = (await (await fetch(`${http}/metrics`)).text()).split('\n').find((one) => one.startsWith(name));
  return line === undefined ? undefined : Number(line.split(' ').at(-1));
}

class Shop {
  private readonly deployment: Deployment;
  private bought = 0;

  constructor(deployment: Deployment) {
    this.deployment = deployment;
  }

  put(key: string, value: unknown): Promise<void> {
    return ask(this.deployment.link, `$KV.customers.${key}`, JSON.stringify(value));
  }

  remove(key: string): Promise<void> {
    return ask(this.deployment.link, `$KV.customers.${key}`, '', 'DEL');
  }

  /** What a purchase says once it is matched. */
  async buy(user: string): Promise<Readonly<Record<string, unknown>>> {
    const n = ++this.bought;
    await ask(this.deployment.link, 'shop.bought', JSON.stringify({ user, n }));
    await until(async () => (await this.deployment.storedCount()) >= n);
    const matches = await this.deployment.storedMatches();
    return matches.find(({ data }) => data.emit.n === n)!.data.emit;
  }

  /** Buys until a tier is seen. @returns the tiers that were seen before it */
  async seen(user: string, tier: unknown): Promise<readonly unknown[]> {
    const before: unknown[] = [];
    for (;;) {
      const { tier: found } = await this.buy(user);
      if (found === tier) return before;
      before.push(found);
    }
  }
}

for (const server of await servers()) {
  t.test(`a bucket that changes while nodes serve, on the ${server.name} server`, async (t) => {
    const folder = await mkdtemp(join(tmpdir(), 'corral-references-'));
    t.teardown(() => rm(folder, { recursive: true }));
    const rules = join(folder, 'tiers.yaml');
    await writeFile(rules, RULE);
    const deployment = await deploy(t, server, {
      shards: 3,
      lease: { ttl: '1s' },
      heartbeat: '200ms',
      sources: { shop: { stream: 'SHOP', start: 'beginning' } },
      references: {
        customers: { bucket: 'customers' },
        limits: { stream: 'LIMITS', subject: 'limits.*', key: 'event.user', value: 'event.limit' },
      },
      rules: [rules],
    });
    const { link } = deployment;
    await deployment.createStream('SHOP', 'shop.>');
    await deployment.createStream('LIMITS', 'limits.>');
    await createBucket(link, 'customers');
    const shop = new Shop(deployment);
    const pad = 'x'.repeat(1000);
    for (let round = 0; round < 2; round += 1) {
      await Promise.all(Array.from({ length: 1500 }, (_, n) => shop.put(`many.${n}`, { tier: `${round}-${n}`, pad })));
    }
    for (const tier of ['tin', 'silver', 'gold']) await shop.put('ann', { tier });
    await shop.put('bob', { tier: 'silver' });
    await ask(link, 'limits.ann', JSON.stringify({ user: 'ann', limit: 10 }));
    await ask(link, 'limits.other.kind', JSON.stringify({ user: 'ann', limit: 99 }));

    const first = deployment.serve();
    // Published before the node has read anything.
    t.same(await shop.buy('ann'), { n: 1, tier: 'gold', limit: 10 });
    t.same(await shop.buy('bob'), { n: 2, tier: 'silver', limit: null });
    t.same(await shop.buy('many.1499'), { n: 3, tier: '1-1499', limit: null });
    t.equal(await metric(first.log(), 'corral_reference_entries{reference="customers"}'), 1502);
    const status = await corral('status', '--config', deployment.config);
    t.match(status, { code: 0, stdout: /^reference:customers +KV_customers /m });
    t.match(status.stdout, /^reference:limits +LIMITS /m);

    await shop.put('ann', { tier: 'platinum' });
    t.ok((await shop.seen('ann', 'platinum')).every((tier) => tier === 'gold'));
    await shop.remove('bob');
    t.ok((await shop.seen('bob', null)).every((tier) => tier === 'silver'));
    t.equal((await shop.buy('ann')).tier, 'platinum', 'and so it stays');

    // Enough for snapshots, from which the next node begins.
    for (let round = 2; ((await metric(first.log(), 'corral_snapshots_total')) ?? 0) < 3; round += 1) {
      await Promise.all(Array.from({ length: 1500 }, (_, n) => shop.put(`many.${n}`, { tier: `${round}-${n}`, pad })));
      await shop.seen('many.1499', `${round}-1499`);
    }
    const { tier: many } = await shop.buy('many.700');
    first.child.kill('SIGKILL');
    await first.ended();
    for (const tier of ['iron', 'lead']) await shop.put('ann', { tier });
    await shop.put('bob', { tier: 'back' });
    const second = deployment.serve();
    t.ok((await shop.seen('ann', 'lead')).every((tier) => tier === 'platinum'));
    t.ok((await shop.seen('bob', 'back')).every((tier) => tier === null));
    t.equal((await shop.buy('many.700')).tier, many);
    const read = await metric(second.log(), 'corral_source_messages_total{source="reference:customers"}');
    t.ok(read! < 1500, `of the bucket's entries ${read} were read again: the rest is in the shards`);
    second.child.kill('SIGTERM');
    t.equal(await second.ended(), 0, second.log());
  });
}
