import { patternMeaning } from './plain-pattern.ts';
import type { PatternShape, Shape } from './shape.ts';
import { SHAPES_OF_CHAINS } from './shapes-of-chains.ts';
import { SHAPES_OF_ENDS } from './shapes-of-ends.ts';
import { SHAPES_OF_JOINS } from './shapes-of-joins.ts';
import { SHAPES_OF_PROCESSES } from './shapes-of-processes.ts';
import { SHAPES_OF_STEPS } from './shapes-of-steps.ts';
import { SHAPES_OF_WINDOWS } from './shapes-of-windows.ts';

export const PATTERNS: readonly PatternShape[] = [...SHAPES_OF_STEPS, ...SHAPES_OF_ENDS];

/** Rules of every kind over events of the types Open, Try, Close and Noise. */
export const SHAPES: readonly Shape[] = [
  ...PATTERNS.map(
    ({ name, yaml, plain }): Shape => ({
      name,
      kind: 'pattern',
      yaml: (saysLate) => `${saysLate ? 'onLate: sideOutput\n' : ''}${yaml.trim()}`,
      meaning: patternMeaning(plain),
    }),
  ),
  ...SHAPES_OF_WINDOWS,
  ...SHAPES_OF_JOINS,
  ...SHAPES_OF_PROCESSES,
];

export const shapeOf = (name: string): Shape => [...SHAPES, ...SHAPES_OF_CHAINS].find((shape) => shape.name === name)!;
