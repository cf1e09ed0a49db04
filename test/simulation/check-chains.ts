import { decodeTick } from '../../src/core/shards/tick.ts';
import type { Stored } from './store.ts';

/** Whether matches of a rule that others read are on a subject. */
export const isChainOf = (subject: string, rule: string): boolean => {
  const [, kind, of] = subject.split('.');
  return kind === 'chain' && of === rule;
};

/**
 * Holds what is there of a rule for other rules against its matches (K12 of the checker): the same, in the same order,
 * numbered together with what is told of time, which never goes back and which no match after it is older than.
 */
export function checkChains(stored: Stored): string[] {
  const violations: string[] = [];
  for (const [subject, messages] of stored) {
    const [prefix, kind, rule, shard] = subject.split('.');
    if (kind !== 'chain') continue;
    const matches: Uint8Array[] = [];
    let told = Number.NEGATIVE_INFINITY;
    messages.forEach(({ headers, body }, at) => {
      if (headers?.['corral-ordinal'] !== String(at + 1))
        violations.push(`${subject}: message ${at + 1} has the ordinal ${headers?.['corral-ordinal']}`);
      const tick = decodeTick(body);
      if (tick !== undefined) {
        if (tick.watermark < told) violations.push(`${subject}: message ${at + 1} takes back what was told of time`);
        told = tick.watermark;
        return;
      }
      matches.push(body);
    });
    const said = stored.get(`${prefix}.match.${rule}.${shard}`) ?? [];
    const differs = matches.findIndex(
      (body, at) => said[at] === undefined || Buffer.compare(body, said[at].body) !== 0,
    );
    if (differs >= 0) violations.push(`${subject}: its match number ${differs + 1} is not that of the rule`);
    if (matches.length < said.length)
      violations.push(`${subject}: ${said.length - matches.length} matches of the rule are missing`);
  }
  return violations;
}

/** The last match on the chain of a rule, and whether all of its matches are there. */
export function lastOfChain(stored: Stored, rule: string) {
  let last = { sequence: 0, time: Number.NEGATIVE_INFINITY };
  let isWhole = true;
  for (const [subject, matches] of stored) {
    const [prefix, kind, of, shard] = subject.split('.');
    if (kind !== 'match' || of !== rule) continue;
    const chain = (stored.get(`${prefix}.chain.${rule}.${shard}`) ?? []).filter(({ body }) => !decodeTick(body));
    isWhole &&= chain.length === matches.length;
    for (const { sequence, body } of chain) {
      const time = Date.parse(JSON.parse(Buffer.from(body).toString()).time);
      last = { sequence: Math.max(last.sequence, sequence), time: Math.max(last.time, time) };
    }
  }
  return { ...last, isWhole };
}
