/** Deepest nesting of maps and lists in one event. What is deeper is a dead letter. */
export const DEPTH_MAX = 64;

/** Most events in one message. A message with more is a dead letter as a whole. */
export const EVENTS_PER_MESSAGE_MAX = 100_000;

/** Most values of one message that are rejected one by one; those beyond share one dead letter that counts them. */
export const REJECTED_PER_MESSAGE_MAX = 100;
