/**
 * Synthetic payments, the same for the same arguments: events of three kinds over a number of cards, each of which sees
 * one about every ten seconds, so that the load on a card does not depend on how many there are. About one in three begins a partial match; few complete one, as in life.
 */
export function eventMaker(
  keys: number,
  seed = 1,
): () => { kind: string; card: string; amount: number; at: number; note: string } {
  let state = seed >>> 0;
  let at = Date.UTC(2026, 0, 1);
  const next = (): number => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 2 ** 32;
  };
  return () => {
    at += 10_000 / keys;
    const kind = KINDS[Math.floor(next() * 3)]!;
    return {
      kind,
      card: `c${Math.floor(next() * keys)}`,
      amount: Math.floor(next() * 1000),
      at,
      note: 'paid at the counter',
    };
  };
}

const KINDS = ['CardAdded', 'PaymentTried', 'PaymentAccepted'];

/** Three steps within a minute, of which few complete. Every event concerns it, so every event goes the whole path. */
export const RULE = `
rule: three-steps
from: payments
key: event.card
pattern:
  - begin: added
    type: CardAdded
  - followedBy: tried
    type: PaymentTried
  - followedBy: bought
    type: PaymentAccepted
    where: event.amount - tried.amount > 900
within: 1m
afterMatch: skipPastLastEvent
limits: {partialMatches: 100}
emit:
  title: "bought for \${bought.amount} after \${tried.amount}"
`;
