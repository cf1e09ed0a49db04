import type { Config } from '../config.ts';
import type { KnownSubjects } from '../core/rules/check-to.ts';

/** What a configuration says of subjects that rules must not publish to. */
export const knownSubjects = ({ prefix, sources }: Config): KnownSubjects => ({
  prefix,
  filters: new Map(sources.flatMap(({ name, subject }) => (subject === undefined ? [] : [[name, subject]]))),
});
