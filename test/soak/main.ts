import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { findServer } from '../../src/nats/server/find-server.ts';
import { report } from './report.ts';
import { type SoakOptions, soak } from './soak.ts';
import { isClean } from './verdict.ts';

/**
 * Real nodes on a real nats-server, under load and faults, then judged: nothing lost, doubled, invented or out of order.
 *
 *     npm run soak -- --minutes 10 --seed 7
 *     npm run soak -- --scenario outage --minutes 5 --outage kill      # or stop: its connections stand
 *     npm run soak -- --scenario membership --minutes 2
 *     npm run soak -- --servers 3 --replicas 3 --minutes 3             # nats-server 2.9.21 or later: NATS_SERVER names it
 *
 * Exit code 1 when anything is wrong; then the logs of the nodes are kept, as with --keep.
 */
const { values } = parseArgs({
  options: {
    scenario: { type: 'string', default: 'faults' },
    minutes: { type: 'string', default: '10' },
    seed: { type: 'string', default: '1' },
    nodes: { type: 'string', default: '3' },
    rate: { type: 'string', default: '2000' },
    keys: { type: 'string', default: '400' },
    servers: { type: 'string', default: '1' },
    replicas: { type: 'string', default: '1' },
    'lease-ttl': { type: 'string' },
    outage: { type: 'string', default: 'kill' },
    pause: { type: 'string', default: '4' },
    only: { type: 'string', default: '' },
    keep: { type: 'boolean', default: false },
    quiet: { type: 'boolean', default: false },
  },
});

const began = performance.now();
const say = (text: string): void => {
  if (!values.quiet) console.error(`${((performance.now() - began) / 1000).toFixed(1).padStart(7)} s  ${text}`);
};
const folder = await mkdtemp(join(tmpdir(), 'corral-soak-'));
const ttl = values['lease-ttl'];

const result = await soak({
  scenario: values.scenario as SoakOptions['scenario'],
  minutes: Number(values.minutes),
  seed: Number(values.seed),
  nodes: Number(values.nodes),
  rate: Number(values.rate),
  keys: Number(values.keys),
  serverPath: await findServer(),
  servers: values.servers === '3' ? 3 : 1,
  replicas: Number(values.replicas),
  leaseTtlMs: ttl === undefined ? undefined : Number(ttl) * 1000,
  outage: values.outage === 'stop' ? 'stop' : 'kill',
  pauseMs: Number(values.pause) * 1000,
  only: values.only.split(',').filter((fault) => fault !== '') as SoakOptions['only'],
  folder,
  say,
});
console.log(report(result));
const lostByServer = result.sources.orders.lost + result.sources.payments.lost;
const deaths = result.nodes.some((node) => node.deaths.length > 0);
const good = isClean(result.verdict) && result.completeAfterMs !== undefined && lostByServer === 0 && !deaths;
console.log(good ? 'nothing is wrong' : `SOMETHING IS WRONG; seed ${values.seed}; logs in ${folder}`);
if (good && !values.keep) await rm(folder, { recursive: true, force: true });
process.exit(good ? 0 : 1);
