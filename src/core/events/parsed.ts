/** What a CloudEvent says about itself beside its data. */
export interface Envelope {
  readonly id: string;
  readonly type: string;
  /** As written; undefined when it has none. */
  readonly time: string | undefined;
  /** The message's headers, with the attributes as `ce-` headers whatever mode it came in. */
  readonly headers: Readonly<Record<string, string>>;
}

/** The values that a message's body holds, before they are events. */
export interface Parsed {
  readonly values: readonly unknown[];
  /** By position, for CloudEvents; undefined for everything else. */
  readonly envelopes: readonly (Envelope | undefined)[] | undefined;
  /** Positions whose value could not be read, with the reason. Undefined when all could. */
  readonly bad: ReadonlyMap<number, string> | undefined;
}

/** Undecodable as a whole: the reason, as a sentence's end ("is not JSON: …"). */
export interface Unparsed {
  readonly reason: string;
}

export const one = (value: unknown, envelope?: Envelope): Parsed => ({
  values: [value],
  envelopes: envelope && [envelope],
  bad: undefined,
});

export const many = (values: readonly unknown[]): Parsed => ({ values, envelopes: undefined, bad: undefined });
