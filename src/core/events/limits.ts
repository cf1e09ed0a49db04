/** Deepest nesting of maps and lists in one event. What is deeper is a dead letter. */
export const DEPTH_MAX = 64;

/** Most events in one message. A message with more is a dead letter as a whole. */
export const EVENTS_PER_MESSAGE_MAX = 100_000;
