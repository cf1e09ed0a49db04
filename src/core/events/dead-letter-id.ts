/**
 * The id of a dead letter, for people to type and for the subject of what was decided about it: where it lies, below
 * `dead.`, and its number there.
 *
 *   - `lane.<lane>.<sequence>`, and `.<index>` for one event of the message: the lane's position when it gave up. A lane
 *     that derives the same again gives the same id.
 *   - `shard.<shard>.<ordinal>`: as of a match, never used twice.
 */
export type DeadLetterId =
  | { readonly kind: 'lane'; readonly lane: string; readonly sequence: number; readonly index: number | undefined }
  | { readonly kind: 'shard'; readonly shard: number; readonly ordinal: number };

export function showDeadLetterId(id: DeadLetterId): string {
  if (id.kind === 'shard') return `shard.${id.shard}.${id.ordinal}`;
  return `lane.${id.lane}.${id.sequence}${id.index === undefined ? '' : `.${id.index}`}`;
}

const FORM =
  /^(?:lane\.(?<lane>[A-Za-z0-9_~-]+)\.(?<sequence>\d{1,15})(?:\.(?<index>\d{1,6}))?|shard\.(?<shard>\d{1,4})\.(?<ordinal>\d{1,15}))$/;

/** Undefined when the text is no id of a dead letter. */
export function parseDeadLetterId(text: string): DeadLetterId | undefined {
  const { lane, sequence, index, shard, ordinal } = FORM.exec(text)?.groups ?? {};
  if (shard !== undefined) return { kind: 'shard', shard: Number(shard), ordinal: Number(ordinal) };
  if (lane === undefined) return undefined;
  return {
    kind: 'lane',
    lane,
    sequence: Number(sequence),
    index: index === undefined ? undefined : Number(index),
  };
}
