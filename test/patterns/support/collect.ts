import type { Emission, Incident, Output } from '../../../src/core/behaviours/behaviour.ts';
import type { StepMap } from './cases.ts';

/** An output that remembers. */
export function collector(): Output & { readonly emissions: Emission[]; readonly incidents: Incident[] } {
  const emissions: Emission[] = [];
  const incidents: Incident[] = [];
  return {
    emissions,
    incidents,
    emit: (emission) => void emissions.push(emission),
    incident: (incident) => void incidents.push(incident),
  };
}

/** Event ids by step. */
export function stepMap(emission: Emission): StepMap {
  return Object.fromEntries(emission.events.map(({ step, refs }) => [step, refs.map((ref) => ref.id)]));
}

/** `a: a1 a2, b: b1` */
export function describe(emission: Emission): string {
  return emission.events.map(({ step, refs }) => `${step}: ${refs.map((ref) => ref.id).join(' ')}`).join(', ');
}
