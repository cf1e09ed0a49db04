/** The address of the metrics and health pages cannot be listened on. */
export class HttpListenError extends Error {
  readonly code = 'HTTP_LISTEN';

  constructor(host: string, port: number, cause: unknown) {
    const why = cause instanceof Error ? cause.message : String(cause);
    super(
      `cannot listen on ${host}:${port} for /metrics, /livez and /readyz: ${why}. ` +
        'Choose another with --http-port (0 takes any free port) or --http-host.',
      { cause },
    );
    this.name = 'HttpListenError';
  }
}
