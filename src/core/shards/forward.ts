/**
 * What a commit says of a match that also goes to a subject of the user's choice (`to`): an output of its own, with
 * ordinals of its own, that refers to the match in the same commit instead of repeating it.
 */
export interface Forward {
  /** Ordinal of the match on its own subject. */
  readonly match: number;
  /** Where it goes, in full. */
  readonly subject: string;
  /** Whether a stream has to acknowledge it. */
  readonly acknowledged: boolean;
}

const FORMAT = 1;

export const encodeForward = ({ match, subject, acknowledged }: Forward): Uint8Array =>
  Buffer.from(JSON.stringify([FORMAT, match, subject, acknowledged]));

/** @throws {RangeError} when the bytes are of another format. */
export function decodeForward(bytes: Uint8Array): Forward {
  const [format, match, subject, acknowledged] = JSON.parse(Buffer.from(bytes).toString()) as unknown[];
  if (format !== FORMAT) throw new RangeError(`a forward of format ${String(format)}; this Corral reads ${FORMAT}`);
  return { match: Number(match), subject: String(subject), acknowledged: acknowledged === true };
}

/** How many matches of each rule of a shard have been forwarded. */
export type Forwarded = ReadonlyMap<string, number>;

export const encodeForwarded = (upto: Forwarded): Uint8Array =>
  Buffer.from(JSON.stringify([FORMAT, Object.fromEntries(upto)]));

/** @throws {RangeError} when the bytes are of another format. */
export function decodeForwarded(bytes: Uint8Array): Map<string, number> {
  const [format, upto] = JSON.parse(Buffer.from(bytes).toString()) as [unknown, Record<string, number>];
  if (format !== FORMAT)
    throw new RangeError(`what was forwarded, in format ${String(format)}; this Corral reads ${FORMAT}`);
  return new Map(Object.entries(upto));
}
