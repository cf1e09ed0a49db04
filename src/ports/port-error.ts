import type { PortErrorCode } from './log.ts';

/** What a port could not do. `retry` says whether trying the same again can help. */
export class PortError extends Error {
  readonly code: PortErrorCode;
  readonly retry: 'here' | 'never';

  constructor(code: PortErrorCode, message: string, options?: ErrorOptions & { retry?: 'here' | 'never' }) {
    super(message, options);
    this.name = 'PortError';
    this.code = code;
    this.retry = options?.retry ?? (code === 'UNAVAILABLE' ? 'here' : 'never');
  }
}
