/**
 * Whether a subject fits a filter in NATS's terms: `*` stands for one token, a last `>` for one or more.
 * @returns a test for many subjects; without wildcards, plain comparison
 */
export function subjectFilter(filter: string): (subject: string) => boolean {
  if (filter === '>') return () => true;
  const wanted = filter.split('.');
  if (!wanted.includes('*') && !wanted.includes('>')) return (subject) => subject === filter;
  const open = wanted.at(-1) === '>';
  const fixed = open ? wanted.slice(0, -1) : wanted;
  return (subject) => {
    const tokens = subject.split('.');
    if (open ? tokens.length <= fixed.length : tokens.length !== fixed.length) return false;
    return fixed.every((token, index) => token === '*' || token === tokens[index]);
  };
}
