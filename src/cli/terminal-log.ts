import type { Logger } from '../ports/logger.ts';
import type { Paint } from './paint.ts';

/** Further lines are counted only: a rule that fails on every event must not bury everything else. */
const LINES_MAX = 20;

/**
 * Standard error as a person watches it: lines about what goes wrong and, on a terminal, one line of progress below
 * them that is drawn again and again. As a `Logger` it shows warnings and errors.
 */
export class TerminalLog implements Logger {
  readonly #name: string;
  readonly #stream: NodeJS.WriteStream;
  readonly #paint: Paint;
  #lines = 0;
  #progress = false;

  constructor(name: string, stream: NodeJS.WriteStream, paint: Paint) {
    this.#name = name;
    this.#stream = stream;
    this.#paint = paint;
  }

  debug(): void {}

  info(): void {}

  warn(_fields: object, message: string): void {
    this.#trouble(this.#paint.yellow('warning'), message);
  }

  error(_fields: object, message: string): void {
    this.#trouble(this.#paint.red('error'), message);
  }

  /** A line that always shows. */
  line(text: string): void {
    this.#clear();
    this.#stream.write(`${text}\n`);
  }

  /** Draws the line of progress; nothing where nobody watches. */
  progress(text: string): void {
    if (!this.#stream.isTTY) return;
    const width = Math.max(20, this.#stream.columns ?? 80);
    this.#stream.write(`\r\u001b[K${text.slice(0, width - 1)}`);
    this.#progress = true;
  }

  /** Takes the line of progress away, and says how much was not shown. */
  end(): void {
    this.#clear();
    const hidden = this.#lines - LINES_MAX;
    if (hidden > 0) this.#stream.write(`corral ${this.#name}: ${hidden} further lines not shown\n`);
  }

  #trouble(level: string, message: string): void {
    this.#lines += 1;
    if (this.#lines <= LINES_MAX) this.line(`corral ${this.#name}: ${level}: ${message}`);
  }

  #clear(): void {
    if (this.#progress) this.#stream.write('\r\u001b[K');
    this.#progress = false;
  }
}
