/** What a node says of the rules it was given, for others to see. */
export interface RuleMark {
  /** Number of the version; 0 = its rules were never a version. */
  readonly number: number;
  /** It does not work, since newer rules are active. */
  readonly waits: boolean;
}

/** Beside the leases: one text per node, that changes only when the node runs other rules. */
const MARKS = 'rules.';
const WAITS = ' waits';

export const markName = (node: string): string => `${MARKS}${node}`;

export const markText = ({ number, waits }: RuleMark): string => `${number}${waits ? WAITS : ''}`;

/** Which rules every node runs, by the node's name, from what stands beside the leases. */
export function readMarks(
  leases: readonly { readonly name: string; readonly holder: string }[],
): ReadonlyMap<string, RuleMark> {
  const marks = new Map<string, RuleMark>();
  for (const { name, holder } of leases) {
    if (!name.startsWith(MARKS)) continue;
    marks.set(name.slice(MARKS.length), { number: Number.parseInt(holder, 10), waits: holder.endsWith(WAITS) });
  }
  return marks;
}
