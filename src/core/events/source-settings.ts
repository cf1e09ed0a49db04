import type { DurationMs } from '../time/units.ts';
import type { Extraction } from './extraction.ts';

export type Start =
  | { readonly kind: 'now' }
  | { readonly kind: 'beginning' }
  | { readonly kind: 'time'; readonly ms: number };

/** One source of the configuration, checked and compiled. */
export interface SourceSettings {
  readonly name: string;
  /** JetStream stream. */
  readonly stream: string;
  /** Subject filter within the stream; undefined = all of it. */
  readonly subject: string | undefined;
  /** `auto`: by Content-Type and `ce-` headers, else by the first byte. */
  readonly format: 'auto' | 'json' | 'cloudevents' | 'msgpack';
  readonly start: Start;
  readonly disorder: DurationMs;
  readonly extraction: Extraction;
  /** Largest event in bytes that is taken; larger ones are dead letters. Default 1 MiB. */
  readonly eventBytesMax: number;
}
