import type { Event } from '../core/events/event.ts';
import { keyText } from '../core/rules/key-text.ts';
import type { RuleSet } from '../core/rules/rule-set.ts';
import type { Route } from '../core/shards/record.ts';
import { shardOf } from '../core/shards/shard-of.ts';

/**
 * Where the events of one source go: one routing decision per event and keyspace. The router is asked once per event of
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
  private readonly keyspaces: RuleSet['keyspaces'];
  private readonly shards: number;

  constructor(rules: RuleSet, source: string, shards: number) {
    this.keyspaces = rules.keyspaces.filter((keyspace) => keyspace.rules.some((rule) => rule.sources.includes(source)));
    this.shards = shards;
  }

  route(event: Event): void {
    const { targetShards, targetRoutes, failures } = this;
    this.keyless = 0;
    targetShards.length = 0;
    targetRoutes.length = 0;
    if (failures.length > 0) failures.length = 0;
    for (const keyspace of this.keyspaces) {
      if (!keyspace.relevant(event)) continue;
      const key = keyspace.keyOf(event);
      if (key.kind === 'none') this.keyless += 1;
      else if (key.kind === 'failed') failures.push(key.message);
      else {
        const shard = shardOf(key.value, this.shards);
        const route = { keyspace: keyspace.id, key: keyText(key.value) };
        const same = targetShards.indexOf(shard);
        if (same >= 0) targetRoutes[same]!.push(route);
        else {
          targetShards.push(shard);
          targetRoutes.push([route]);
        }
      }
    }
  }
}
