import type { Appended } from '../ports/log.ts';
import { JsErrorCode } from './js-api.ts';

/** The answer to a publish into a stream. */
export type PubAck =
  | { readonly kind: 'stored'; readonly sequence: number; readonly duplicate: boolean }
  | { readonly kind: 'error'; readonly code: number; readonly description: string };

const SEQUENCE = '"seq":';
const encoding = 'latin1';

/**
 * Reads `{"stream":"X","seq":12}` without parsing JSON, as there is one of these for every append; everything less
 * usual goes through JSON.parse. What is no such answer (another service on the subject) is an error without a code.
 */
export function parsePubAck(data: Uint8Array): PubAck {
  const text = Buffer.from(data.buffer, data.byteOffset, data.byteLength).toString(encoding);
  const at = text.indexOf(SEQUENCE);
  if (at > 0 && !text.includes('"error"') && !text.includes('"duplicate"')) {
    const sequence = Number.parseInt(text.slice(at + SEQUENCE.length), 10);
    if (sequence > 0) return { kind: 'stored', sequence, duplicate: false };
  }
  return parseUnusual(data);
}

function parseUnusual(data: Uint8Array): PubAck {
  let answer: { error?: { err_code?: number; description?: string }; seq?: number; duplicate?: boolean };
  try {
    answer = JSON.parse(new TextDecoder().decode(data));
  } catch {
    answer = {};
  }
  if (typeof answer !== 'object' || answer === null) answer = {};
  if (answer.error !== undefined) {
    return {
      kind: 'error',
      code: answer.error.err_code ?? 0,
      description: answer.error.description ?? 'no reason given',
    };
  }
  if (typeof answer.seq === 'number' && answer.seq > 0) {
    return { kind: 'stored', sequence: answer.seq, duplicate: answer.duplicate === true };
  }
  return {
    kind: 'error',
    code: 0,
    description: 'the answer is none of JetStream; something else listens on this subject',
  };
}

/** What an answer means for a fenced append. A duplicate is no proof of anything (protocol P6). */
export function appendedOf(ack: PubAck): Appended {
  if (ack.kind === 'stored') return ack.duplicate ? { kind: 'refused' } : { kind: 'stored', sequence: ack.sequence };
  if (ack.code === JsErrorCode.wrongLastSequence) return { kind: 'refused' };
  const reason = FULL.includes(ack.code) || /no space|maximum|insufficient/i.test(ack.description) ? 'full' : 'other';
  return { kind: 'unknown', cause: `JetStream: ${ack.description} (${ack.code})`, reason };
}

/** Error codes of JetStream that mean that a limit of storage is reached: of the server, the account, the stream. */
const FULL: readonly number[] = [10023, 10047, 10028];
