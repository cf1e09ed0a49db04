/** What became of a message to a subject that others own. */
export type Sent =
  /** `duplicate`: the stream had a message of this id already. */
  | { readonly kind: 'stored'; readonly duplicate: boolean }
  /** Handed over without asking whether anybody keeps it. */
  | { readonly kind: 'sent' }
  /** It is not stored, as far as that can be known: no stream takes the subject, the stream is full, no answer. */
  | { readonly kind: 'failed'; readonly cause: string };

/** Publishes to subjects that users choose, and into streams that are theirs. */
export interface Outbox {
  /**
   * Never throws for what the network or server does. Messages of one caller that waits for each are stored in order.
   * @param id a stream drops a message whose id it has seen within its duplicate window
   * @param acknowledged whether a stream has to say that it has it
   */
  publish(subject: string, id: string, body: Uint8Array, acknowledged: boolean): Promise<Sent>;
}
