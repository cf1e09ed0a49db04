// Texts that come again and again: types of events, names of sources and of fields. Decoding one costs more than finding
// it among those seen lately, and found, it is one string in memory however many keys hold it. What is found never
// depends on what was seen before, only how fast.

const SLOTS = 512;
const BYTES_MAX = 40;
const known: string[] = new Array(SLOTS).fill('');

/** The text at `from` to before `to`, as UTF-8. */
export function knownText(bytes: Buffer, from: number, to: number): string {
  const length = to - from;
  if (length === 0) return '';
  if (length > BYTES_MAX) return bytes.toString('utf8', from, to);
  const middle = from + (length >>> 1);
  const slot = (bytes[from]! * 31 + bytes[middle]! * 17 + bytes[to - 1]! * 7 + length) & (SLOTS - 1);
  const candidate = known[slot]!;
  if (candidate.length === length && equals(candidate, bytes, from)) return candidate;
  const text = bytes.toString('utf8', from, to);
  known[slot] = text;
  return text;
}

/** True only for ASCII, where a character is a byte; anything else is decoded each time. */
function equals(text: string, bytes: Buffer, from: number): boolean {
  for (let at = 0; at < text.length; at++) {
    const code = text.charCodeAt(at);
    if (code !== bytes[from + at] || code >= 0x80) return false;
  }
  return true;
}
