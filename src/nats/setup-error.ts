export type NatsSetupErrorCode =
  /** What was given to connect with cannot be used: an unreadable context, credentials, or URL. */
  | 'NATS_OPTIONS'
  /** A stream of the deployment exists, but is not kept as the protocol needs it. */
  | 'STREAM_MISCONFIGURED'
  /** The server has no JetStream, no room, or its account does not allow what is asked. */
  | 'STREAM_REFUSED'
  /** The server's version cannot keep the promises for what is configured. */
  | 'SERVER_TOO_OLD'
  /** The probe at start saw two appends accepted where one may be. */
  | 'FENCE_BROKEN'
  /** A source whose retention Corral cannot read from. */
  | 'SOURCE_RETENTION'
  /** No nats-server was found, fetched or started. */
  | 'NATS_SERVER_MISSING'
  | 'NATS_SERVER_FAILED';

/** What keeps Corral from starting on this NATS until somebody changes something. Trying again does not help. */
export class NatsSetupError extends Error {
  readonly code: NatsSetupErrorCode;
  readonly retry = 'never';

  constructor(code: NatsSetupErrorCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = 'NatsSetupError';
    this.code = code;
  }
}
