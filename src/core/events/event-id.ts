/** The id of an event whose publisher gave none: the stream sequence, and beyond the first event of a message the index. */
export function defaultEventId(seq: number, index: number): string {
  return index === 0 ? String(seq) : `${seq}.${index}`;
}
