import type { Event } from '../core/events/event.ts';
import { keyText } from '../core/rules/key-text.ts';
import type { RuleSet } from '../core/rules/rule-set.ts';
import type { Route } from '../core/shards/record.ts';
import { shardOf } from '../core/shards/shard-of.ts';

/** Where one event goes. */
export interface Routing {
  /** The actors it concerns, by shard. Empty when no rule can take notice of it or it has no key. */
  readonly shards: readonly { readonly shard: number; readonly routes: readonly Route[] }[];
  /** Keyspaces in which it has no key. */
  readonly keyless: number;
  /** Why a key could not be computed; the event is then a dead letter. Keyspaces that gave a key still get it. */
  readonly failures: readonly string[];
}

/** One routing decision per event and keyspace, for the events of one source. */
export function router(rules: RuleSet, source: string, shards: number): (event: Event) => Routing {
  const keyspaces = rules.keyspaces.filter((keyspace) => keyspace.rules.some((rule) => rule.sources.includes(source)));
  return (event) => {
    let targets: { shard: number; routes: Route[] }[] = NONE;
    let failures: string[] = NONE;
    let keyless = 0;
    for (const keyspace of keyspaces) {
      if (!keyspace.relevant(event)) continue;
      const key = keyspace.keyOf(event);
      if (key.kind === 'none') keyless += 1;
      else if (key.kind === 'failed') failures = [...failures, key.message];
      else {
        const shard = shardOf(key.value, shards);
        const route = { keyspace: keyspace.id, key: keyText(key.value) };
        const same = targets.find((target) => target.shard === shard);
        if (same !== undefined) same.routes.push(route);
        else if (targets === NONE) targets = [{ shard, routes: [route] }];
        else targets.push({ shard, routes: [route] });
      }
    }
    return { shards: targets, keyless, failures };
  };
}

const NONE: never[] = [];
