import type { SimulationResult } from './simulate.ts';
import { FAULTS, NODE_FAULTS, SITES, type Strikes, siteName } from './sites.ts';

/** How often each fault struck at each await, as a table; a dot where there is no such site. */
export function strikesTable(strikes: Strikes): string {
  const rows = [...new Set(SITES.map(({ call, phase }) => `${call}:${phase}`))];
  const width = Math.max(...rows.map((row) => row.length));
  const head = `${'await'.padEnd(width)} ${FAULTS.map((fault) => fault.padStart(11)).join(' ')}`;
  const lines = rows.map((row) => {
    const cells = FAULTS.map((fault) => {
      const site = SITES.find((one) => `${one.call}:${one.phase}` === row && one.fault === fault);
      return (site === undefined ? '.' : String(strikes.counts.get(siteName(site)))).padStart(11);
    });
    return `${row.padEnd(width)} ${cells.join(' ')}`;
  });
  const others = NODE_FAULTS.map((fault) => `${fault} ${strikes.counts.get(fault)}`).join(', ');
  return [head, ...lines, `nodes, leases, actors and server: ${others}`].join('\n');
}

/** What is wrong with a run, the last of what happened in it, and how to see it again. */
export function violationReport({ seed, violations, trace, scenario }: SimulationResult, lines: number): string {
  const happened = lines === 0 ? [] : ['the last of what happened:', ...trace.slice(-lines).map((line) => `  ${line}`)];
  return [
    `seed ${seed} violates:`,
    ...violations.slice(0, VIOLATIONS_MAX).map((violation) => `  ${violation}`),
    ...(violations.length > VIOLATIONS_MAX ? [`  and ${violations.length - VIOLATIONS_MAX} more`] : []),
    ...happened,
    `again: npm run sim -- --seed ${seed}${scenario.big ? ' --big' : ''}`,
  ].join('\n');
}

/** One fault can be seen in many ways; the first ones tell enough. */
const VIOLATIONS_MAX = 12;
