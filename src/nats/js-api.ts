import type { NatsLink } from './link.ts';

/** Error codes of JetStream that mean something to us (ADR-7 of NATS); its texts are for people. */
export const JsErrorCode = {
  wrongLastSequence: 10071,
  messageNotFound: 10037,
  streamNotFound: 10059,
  consumerNotFound: 10014,
} as const;

export type ApiAnswer<Value> =
  | { readonly kind: 'ok'; readonly value: Value }
  | { readonly kind: 'error'; readonly status: number; readonly code: number; readonly description: string }
  /** No answer, or one that says: not now. */
  | { readonly kind: 'unavailable'; readonly cause: string };

const encoder = new TextEncoder();
const decoder = new TextDecoder();
const NO_BODY = new Uint8Array(0);

const BACKOFF_MS = 50;
const BACKOFF_MAX_MS = 1000;

/** One call to JetStream's API, e.g. `STREAM.INFO.<stream>`. */
export async function callApi<Value>(link: NatsLink, call: string, body?: object): Promise<ApiAnswer<Value>> {
  const reply = await link.request(
    `${link.api}.${call}`,
    body === undefined ? NO_BODY : encoder.encode(JSON.stringify(body)),
  );
  if (reply.data === undefined) return { kind: 'unavailable', cause: `JetStream: ${reply.cause}` };
  const answer = JSON.parse(decoder.decode(reply.data)) as Value & {
    error?: { code: number; err_code?: number; description?: string };
  };
  if (answer.error === undefined) return { kind: 'ok', value: answer };
  const { code, err_code = 0, description = '' } = answer.error;
  // A cluster without a leader just now, a server that is starting: no statement about what was asked.
  if (code === 503) return { kind: 'unavailable', cause: `JetStream: ${description}` };
  return { kind: 'error', status: code, code: err_code, description };
}

/**
 * The same, tried until there is an answer; the link's status says meanwhile what is wrong. Only for calls that may be
 * repeated.
 * @throws {PortError} CLOSED when the link is closed meanwhile.
 */
export async function persistApi<Value>(
  link: NatsLink,
  call: string,
  body?: object,
): Promise<Exclude<ApiAnswer<Value>, { kind: 'unavailable' }>> {
  for (let wait = BACKOFF_MS; ; wait = Math.min(2 * wait, BACKOFF_MAX_MS)) {
    link.assertOpen();
    const answer = await callApi<Value>(link, call, body);
    if (answer.kind !== 'unavailable') {
      link.report(undefined);
      return answer;
    }
    link.report(answer.cause);
    await link.pause(wait * (0.5 + Math.random()));
  }
}
