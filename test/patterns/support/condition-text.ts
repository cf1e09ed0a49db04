import type { Event } from '../../../src/core/events/event.ts';
import type { Condition, Taken } from '../../../src/core/patterns/pattern.ts';

// The conditions of the conformance cases: `||`, `&&`, comparisons, `+ -`, unary `! -`, member access, and helpers over
// what a step has taken (sum, count, first, last, all, any). Evaluated straight from the text, without a tree.

type Value = unknown;
type Read = (event: Event, taken: Taken) => Value;

/** `stepOf` gives the index of a step by its name. */
export function conditionFromText(text: string, stepOf: (name: string) => number): Condition {
  const tokens = text.match(/\d+(?:\.\d+)?|'[^']*'|[A-Za-z_]\w*|\|\||&&|[=!<>]=|[<>+\-!().,]/g) ?? [];
  const usesTaken = text.includes('stage(');
  let at = 0;
  const accept = (token: string): boolean => {
    if (tokens[at] !== token) return false;
    at++;
    return true;
  };
  const expect = (token: string): void => {
    if (!accept(token)) throw new Error(`expected ${token} at ${tokens.slice(at).join(' ')} in ${text}`);
  };
  const or = (): Read => {
    let left = and();
    while (accept('||')) {
      const [one, other] = [left, and()];
      left = (event, taken) => Boolean(one(event, taken)) || Boolean(other(event, taken));
    }
    return left;
  };
  const and = (): Read => {
    let left = comparison();
    while (accept('&&')) {
      const [one, other] = [left, comparison()];
      left = (event, taken) => Boolean(one(event, taken)) && Boolean(other(event, taken));
    }
    return left;
  };
  const comparison = (): Read => {
    const left = sum();
    const operator = tokens[at];
    const compare = comparisons[operator ?? ''];
    if (compare === undefined) return left;
    at++;
    const right = sum();
    return (event, taken) => compare(left(event, taken), right(event, taken));
  };
  const sum = (): Read => {
    let left = unary();
    for (;;) {
      const [one, sign] = [left, tokens[at] === '+' ? 1 : -1];
      if (!accept('+') && !accept('-')) return left;
      const other = unary();
      left = (event, taken) => Number(one(event, taken)) + sign * Number(other(event, taken));
    }
  };
  const unary = (): Read => {
    if (accept('!')) {
      const of = unary();
      return (event, taken) => !of(event, taken);
    }
    if (accept('-')) {
      const of = unary();
      return (event, taken) => -Number(of(event, taken));
    }
    return member();
  };
  const step = (): number => {
    expect('stage');
    expect('(');
    const name = String(tokens[at++]).slice(1, -1);
    expect(')');
    return stepOf(name);
  };
  const member = (): Read => {
    const token = tokens[at++] ?? '';
    if (token === '(') {
      const inner = or();
      expect(')');
      return inner;
    }
    if (/^\d/.test(token)) return () => Number(token);
    if (token.startsWith("'")) return () => token.slice(1, -1);
    if (token === 'true' || token === 'false') return () => token === 'true';
    if (accept('(')) return helper(token);
    if (accept('.')) {
      const method = tokens[at++];
      expect('(');
      const argument = or();
      expect(')');
      return (event, taken) => {
        const [value, part] = [String(fieldOf(event, token)), String(argument(event, taken))];
        return method === 'startsWith' ? value.startsWith(part) : value.includes(part);
      };
    }
    return (event) => fieldOf(event, token);
  };
  const helper = (name: string): Read => {
    const from = step();
    if (name === 'count') {
      expect(')');
      return (_, taken) => taken.count(from);
    }
    if (name === 'first' || name === 'last') {
      expect(')');
      expect('.');
      const field = String(tokens[at++]);
      return (_, taken) => fieldOf((name === 'first' ? taken.first(from) : taken.last(from))!, field);
    }
    expect(',');
    const inner = or();
    expect(')');
    if (name === 'sum')
      return (_, taken) => taken.events(from).reduce((total, event) => total + Number(inner(event, taken)), 0);
    if (name === 'all') return (_, taken) => taken.events(from).every((event) => inner(event, taken));
    if (name === 'any') return (_, taken) => taken.events(from).some((event) => inner(event, taken));
    throw new Error(`no helper ${name}`);
  };
  const read = or();
  if (at !== tokens.length) throw new Error(`left over in ${text}: ${tokens.slice(at).join(' ')}`);
  return Object.assign((event: Event, taken: Taken) => Boolean(read(event, taken)), { stateless: !usesTaken });
}

const comparisons: Readonly<Record<string, (left: Value, right: Value) => boolean>> = {
  '==': (left, right) => left === right,
  '!=': (left, right) => left !== right,
  '<': (left, right) => Number(left) < Number(right),
  '<=': (left, right) => Number(left) <= Number(right),
  '>': (left, right) => Number(left) > Number(right),
  '>=': (left, right) => Number(left) >= Number(right),
};

function fieldOf(event: Event, name: string): Value {
  if (name === 'type') return event.type;
  if (name === 'ts') return event.time;
  return (event.data as Record<string, unknown>)[name];
}
