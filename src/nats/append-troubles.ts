import type { Appended } from '../ports/log.ts';
import type { NatsLink } from './link.ts';

/** An append that had no answer. */
export function unanswered(link: NatsLink, cause: string): Appended {
  const reason = !link.status.connected ? 'disconnected' : cause.includes('no responders') ? 'nobody' : 'noAnswer';
  return { kind: 'unknown', cause, reason };
}

/**
 * What hinders appends while the connection stands, by stream: a full disk, a stream at its limit, nobody who answers.
 * The link tells it to whoever runs the node, once for each change, until an append to that stream is answered again.
 */
export class AppendTroubles {
  readonly #link: NatsLink;
  readonly #byStream = new Map<string, string>();

  constructor(link: NatsLink) {
    this.#link = link;
  }

  note(stream: string, answer: Appended): void {
    if (answer.kind !== 'unknown') {
      if (this.#byStream.size > 0 && this.#byStream.delete(stream)) this.#tell();
    } else if (answer.reason !== 'disconnected' && this.#byStream.get(stream) !== answer.cause) {
      this.#byStream.set(stream, answer.cause);
      this.#tell();
    }
  }

  #tell(): void {
    const troubles = [...this.#byStream].map(([stream, cause]) => `nothing can be appended to ${stream}: ${cause}`);
    this.#link.reportAppends(troubles.length === 0 ? undefined : troubles.join('; '));
  }
}
