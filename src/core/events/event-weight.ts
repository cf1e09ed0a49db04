import type { Event } from './event.ts';

/** What headers, names and numbers of an event take beside what is counted. */
const REST_BYTES = 128;

/**
 * At least as many bytes as an event takes in a record, without its routes, for sources whose expressions make data
 * that the message does not have (`each`, `let`). Stops counting beyond `most`, since such data may hold one value many
 * times over.
 */
export const eventWeight = (event: Event, most: number): number =>
  envelopeWeight(event) + valueWeight(event.data, most);

/** The same of everything but the data. */
export function envelopeWeight({ id, type, subject, headers }: Event): number {
  let bytes = REST_BYTES + textWeight(id) + textWeight(type) + textWeight(subject);
  if (headers !== undefined) {
    for (const [name, value] of Object.entries(headers)) bytes += textWeight(name) + textWeight(value);
  }
  return bytes;
}

/** Bytes of a text at most: three for each unit of UTF-16, and its length. */
export const textWeight = (text: string): number => 3 * text.length + 5;

function valueWeight(value: unknown, most: number): number {
  if (typeof value === 'string') return textWeight(value);
  if (typeof value !== 'object' || value === null) return NUMBER_BYTES;
  if (value instanceof Uint8Array) return value.length + 5;
  let bytes = 5;
  if (Array.isArray(value)) {
    for (const item of value) {
      bytes += valueWeight(item, most - bytes);
      if (bytes > most) return bytes;
    }
    return bytes;
  }
  for (const [name, item] of Object.entries(value)) {
    bytes += textWeight(name) + valueWeight(item, most - bytes);
    if (bytes > most) return bytes;
  }
  return bytes;
}

/** Of a number, a boolean or null, with what a codec may put before it. */
const NUMBER_BYTES = 12;
