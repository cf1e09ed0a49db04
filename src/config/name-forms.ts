/** Names become parts of subjects: a deployment's, a source's. */
export const NAME_FORM = '^[A-Za-z0-9_-]+$';
/** The prefix also names streams, in upper case; so it has none itself. */
export const PREFIX_FORM = '^[a-z0-9_-]+$';
