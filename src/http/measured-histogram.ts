import { Histogram, type Registry } from 'prom-client';
import { SECONDS_BUCKETS, type SecondsHistogram } from '../ports/measures.ts';

type HistogramValues = Awaited<ReturnType<Histogram['get']>>;

/** A histogram whose buckets were filled elsewhere: the library's own can only be filled by observing. */
export class MeasuredHistogram extends Histogram {
  readonly #options: { name: string; help: string };
  readonly #read: () => SecondsHistogram | undefined;

  constructor(
    options: { name: string; help: string; registers: Registry[] },
    read: () => SecondsHistogram | undefined,
  ) {
    super(options);
    this.#options = options;
    this.#read = read;
  }

  override get(): Promise<HistogramValues> {
    return this.getForPromString();
  }

  /** What the registry calls for the text format; the typings leave it out, and have a number for `type`. */
  async getForPromString(): Promise<HistogramValues> {
    const { name, help } = this.#options;
    const { sum, count, buckets } = this.#read() ?? { sum: 0, count: 0, buckets: [] };
    let below = 0;
    const inBuckets = SECONDS_BUCKETS.map((le, index) => {
      below += buckets[index] ?? 0;
      return { metricName: `${name}_bucket`, labels: { le }, value: below };
    });
    const totals = [
      { metricName: `${name}_bucket`, labels: { le: '+Inf' }, value: count },
      { metricName: `${name}_sum`, labels: {}, value: sum },
      { metricName: `${name}_count`, labels: {}, value: count },
    ];
    const values = [...inBuckets, ...totals];
    return { name, help, type: 'histogram', aggregator: 'sum', values } as unknown as HistogramValues;
  }
}
