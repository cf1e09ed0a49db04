import type { Event } from '../core/events/event.ts';
import { keyText } from '../core/rules/key-text.ts';
import type { Keyspace, KeyValue, RuleSet } from '../core/rules/rule-set.ts';
import type { Route } from '../core/shards/record.ts';
import { shardOf } from '../core/shards/shard-of.ts';

/**
 * Where the events of one source go: one routing decision per event and keyspace, which may name several keys. The router is asked once per event of
 * the deployment, so it gives its answer in fields of its own that the next question overwrites.
 */
export class Router {
  /** Shards of the actors an event concerns, each once. Empty when no rule can take notice of it or it has no key. */
  readonly targetShards: number[] = [];
  /** The actors in each of those shards. The lists belong to whoever asked. */
  readonly targetRoutes: Route[][] = [];
  /** Keyspaces in which the event has no key. */
  keyless = 0;
  /** Why a key could not be computed; the event is then a dead letter. Keyspaces that gave a key still get it. */
  readonly failures: string[] = [];
  /** Names of the rules that do not see the event because of that, for any key. */
  readonly failedRules: string[] = [];
  private readonly keyspaces: RuleSet['keyspaces'];
  private readonly shards: number;

  constructor(rules: RuleSet, source: string, shards: number) {
    this.keyspaces = rules.keyspaces.filter((keyspace) => keyspace.rules.some((rule) => rule.sources.includes(source)));
    this.shards = shards;
  }

  /** @param only names of the rules that are to see it; undefined = all */
  route(event: Event, only?: readonly string[]): void {
    const { targetShards, targetRoutes, failures, failedRules } = this;
    this.keyless = 0;
    targetShards.length = 0;
    targetRoutes.length = 0;
    if (failures.length > 0) failures.length = 0;
    if (failedRules.length > 0) failedRules.length = 0;
    for (const keyspace of this.keyspaces) {
      if (!keyspace.relevant(event)) continue;
      if (only !== undefined && !keyspace.rules.some(({ name }) => only.includes(name))) continue;
      const key = keyspace.keyOf(event);
      switch (key.kind) {
        case 'key':
          this.add(keyspace.id, key.value);
          break;
        case 'keys':
          for (const value of key.values) this.add(keyspace.id, value);
          failures.push(...key.failures);
          if (key.values.length === 0 && key.failures.length > 0) this.addFailedRules(keyspace, only);
          break;
        case 'none':
          this.keyless += 1;
          break;
        case 'failed':
          failures.push(key.message);
          this.addFailedRules(keyspace, only);
      }
    }
  }

  /** Names of the rules that would see an event on these routes. */
  rulesOf(routes: readonly Route[], only?: readonly string[]): string[] {
    return this.keyspaces
      .filter(({ id }) => routes.some(({ keyspace }) => keyspace === id))
      .flatMap(({ rules }) => rules.map(({ name }) => name).filter((name) => only?.includes(name) !== false));
  }

  private addFailedRules({ rules }: Keyspace, only: readonly string[] | undefined): void {
    for (const { name } of rules) if (only?.includes(name) !== false) this.failedRules.push(name);
  }

  private add(keyspace: string, value: KeyValue): void {
    const { targetShards, targetRoutes } = this;
    const shard = shardOf(value, this.shards);
    const route = { keyspace, key: keyText(value) };
    const same = targetShards.indexOf(shard);
    if (same >= 0) targetRoutes[same]!.push(route);
    else {
      targetShards.push(shard);
      targetRoutes.push([route]);
    }
  }
}
