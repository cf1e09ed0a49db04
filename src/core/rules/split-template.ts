export type TemplatePart = string | { readonly text: string; readonly offset: number };

export type SplitTemplate =
  | { readonly ok: true; readonly parts: readonly TemplatePart[] }
  /** `offset` of a `${` that nothing closes. */
  | { readonly ok: false; readonly offset: number };

/**
 * Splits "a ${expression} b" into texts and expressions. Braces and quotes inside an expression are followed, so a map
 * or a `}` in a text does not end it. `$${` stands for the characters `${`.
 */
export function splitTemplate(template: string): SplitTemplate {
  const parts: TemplatePart[] = [];
  let text = '';
  let at = 0;
  while (at < template.length) {
    if (template.startsWith('$${', at)) {
      text += '${';
      at += 3;
    } else if (template.startsWith('${', at)) {
      const end = closingBrace(template, at + 2);
      if (end === undefined) return { ok: false, offset: at };
      if (text !== '') parts.push(text);
      text = '';
      parts.push({ text: template.slice(at + 2, end), offset: at + 2 });
      at = end + 1;
    } else {
      text += template[at];
      at++;
    }
  }
  if (text !== '') parts.push(text);
  return { ok: true, parts };
}

function closingBrace(template: string, from: number): number | undefined {
  let depth = 1;
  let quote: string | undefined;
  for (let at = from; at < template.length; at++) {
    const character = template[at]!;
    if (quote !== undefined) {
      if (character === '\\') at++;
      else if (character === quote) quote = undefined;
    } else if (character === '"' || character === "'") quote = character;
    else if (character === '{') depth++;
    else if (character === '}' && --depth === 0) return at;
  }
  return undefined;
}
