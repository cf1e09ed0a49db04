import { type Corral, createCorral, type Settings } from '../../src/corral.ts';
import { Life, type World } from './life.ts';
import { portsOf } from './life-ports.ts';
import type { SeededRandom } from './random.ts';
import type { SimulatedRules } from './rules.ts';
import { KEYS } from './workload.ts';

/** A node: a name that stays, and the life it lives now, if any. */
interface Node {
  readonly name: string;
  lives: number;
  now: { readonly life: Life; readonly corral: Corral; draining: boolean } | undefined;
}

/**
 * The nodes of a run. Each is the real assembly over its life's ports. A node that crashed or was drained comes back
 * after a while under its old name, with nothing in memory.
 */
export class Cluster {
  /** What no node may do or suffer. */
  readonly complaints: string[] = [];
  private readonly world: World;
  private readonly settings: Omit<Settings, 'node' | 'rules'>;
  private readonly rules: SimulatedRules;
  private readonly random: SeededRandom;
  private readonly nodes: readonly Node[];
  private readonly lives: Life[] = [];
  /** Which rule stands first in the other order. */
  private readonly otherFirst: number;

  constructor(world: World, settings: Omit<Settings, 'node' | 'rules'>, rules: SimulatedRules, count: number) {
    this.world = world;
    this.settings = settings;
    this.rules = rules;
    this.random = world.random.fork();
    this.otherFirst = this.random.integer(0, rules.count - 1);
    this.nodes = Array.from({ length: count }, (_, n) => ({ name: `n${n + 1}`, lives: 0, now: undefined }));
    for (const node of this.nodes) world.time.after(this.random.between(0, 300), () => this.start(node));
  }

  private start(node: Node): void {
    node.lives += 1;
    const life = new Life(this.world, `${node.name}.${node.lives}`);
    this.lives.push(life);
    // Nodes need not have been given their rule files in the same order.
    const rules = this.rules.beginningWith(this.random.chance(0.5) ? 0 : this.otherFirst);
    const corral = createCorral(portsOf(life), { ...this.settings, rules, node: node.name });
    node.now = { life, corral, draining: false };
    life.crashed = () => this.gone(node, life);
    corral.failed.catch((error) => {
      if (!life.cut) this.complaints.push(`${life.name}: something stays down: ${String(error)}`);
    });
    // Of what is set off now, the actors' turns come last.
    life.batchArrives = () => {
      if (this.world.plan.killsActors(this.world.time.now)) setImmediate(() => this.killActors(life, corral));
    };
    life.note('starts');
    corral.start();
  }

  private gone(node: Node, life: Life): void {
    if (node.now?.life !== life) return;
    node.now = undefined;
    this.world.time.after(this.random.between(10, 3 * this.world.leaseTtl), () => this.start(node));
  }

  /** Asks a node to hand everything over and end; it comes back later. False when none is there to be asked. */
  drainSome(): boolean {
    const able = this.nodes.filter(({ now }) => now !== undefined && !now.draining);
    if (able.length === 0) return false;
    const node = this.random.pick(able);
    const { now } = node;
    const { life, corral } = now!;
    now!.draining = true;
    life.note('drains');
    corral.drain().then(
      () => {
        if (life.cut) return;
        life.note('has drained');
        life.drained = true;
        this.gone(node, life);
      },
      (error) => {
        if (!life.cut) this.complaints.push(`${life.name}: a drain failed: ${String(error)}`);
      },
    );
    return true;
  }

  /** Cuts the connection of a node with the server. False when none is there. */
  cutOffSome(length: number): boolean {
    const living = this.nodes.filter(({ now }) => now !== undefined);
    if (living.length === 0) return false;
    this.random.pick(living).now!.life.cutOff(length);
    return true;
  }

  /** Stops actors when a batch has just been given to them and before their turn. */
  private killActors(life: Life, corral: Corral): void {
    let killed = 0;
    for (let shard = 0; shard < this.settings.shards; shard += 1) {
      for (const key of KEYS) if (corral.killActor(shard, key)) killed += 1;
    }
    if (killed === 0) return;
    life.note(`loses ${killed} actors`);
    this.world.plan.strikes.note('killActor');
  }

  /** Crashes every node that lives. */
  crashAll(): void {
    for (const { now } of this.nodes) now?.life.crash();
  }

  /** How long it takes until every node that lives and stands still goes on. */
  get stillPaused(): number {
    return Math.max(...this.nodes.map(({ now }) => now?.life.stillPaused ?? 0));
  }

  /** Why nodes are not ready, for reports of what did not end. */
  notReady(): readonly string[] {
    return this.nodes.flatMap(({ name, now }) => {
      if (now === undefined) return [`${name} is down`];
      return now.corral.notReady().map((reason) => `${name}: ${reason}`);
    });
  }

  /** Things that lives did which no node may do. */
  misdeeds(): readonly string[] {
    return this.lives.flatMap(({ name, misdeeds }) => misdeeds.map((misdeed) => `${name} ${misdeed}`));
  }

  /** Ends all lives, so that the code under test frees what it holds. */
  end(): void {
    // What they meet with on the way out is of no interest any more.
    for (const { now } of this.nodes) now?.corral.drain().catch(() => undefined);
    for (const life of this.lives) life.end();
  }
}
