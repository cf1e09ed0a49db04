import t from 'tap';
import { flood, floods } from './support/flood.ts';

// `npm run memory:patterns` does the same with ten million events.
const events = 50_000;

for (const [name, one] of Object.entries(floods)) {
  t.test(`one key, ${name}: its state stays under the bound that check prints`, async (t) => {
    const result = await flood(one, events, 20_261_122, 3);
    const { stateBytes, partialMatches } = result.bound;
    t.comment(JSON.stringify(result));
    t.ok(result.partialMatches <= partialMatches, 'in partial matches');
    t.ok(result.countedBytes <= stateBytes, 'in bytes counted');
    t.ok(result.storedBytes <= stateBytes, 'in bytes stored');
    t.ok(result.memoryBytes <= stateBytes, 'in bytes of memory');
    if (!one.adversarial) return;
    t.ok(result.dropped > 0, 'a stream made for it meets the limit');
    const taken = Math.max(result.memoryBytes / stateBytes, result.partialMatches / partialMatches);
    t.ok(taken >= 0.5, 'and takes at least half of the bound');
    t.ok(result.memoryBytes > result.countedBytes / 2, 'which is no mere reckoning');
  });
}
