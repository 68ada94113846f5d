// HOT PATH. A histogram with buckets bound in advance: one addition into an array for each observation.

/** Upper bounds in seconds: from what a sidecar on the same host takes to what a patient caller waits for. */
export const DURATION_BUCKETS: readonly number[] = [
  0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60,
];

/** Counts observations by Prometheus' rule: a bucket holds what is less than or equal to its bound. One writer. */
export class Histogram {
  /** Ascending. */
  readonly bounds: readonly number[];
  /** Not cumulated: one for each bound, then those above the last, then the sum of all. */
  private readonly cells: Float64Array;

  constructor(bounds: readonly number[] = DURATION_BUCKETS) {
    this.bounds = bounds;
    this.cells = new Float64Array(bounds.length + 2);
  }

  /** @param value in the unit of the bounds; what is not a number is left out. */
  observe(value: number): void {
    const { bounds, cells } = this;
    if (Number.isNaN(value)) return;
    let index = 0;
    while (index < bounds.length && value > (bounds[index] ?? 0)) index++;
    cells[index] = (cells[index] ?? 0) + 1;
    const last = bounds.length + 1;
    cells[last] = (cells[last] ?? 0) + value;
  }

  get sum(): number {
    return this.cells[this.bounds.length + 1] ?? 0;
  }

  /** For each bound, and then for +Inf, how many observations were not above it; the last is the count of all. */
  cumulated(): number[] {
    let total = 0;
    return Array.from(this.cells.subarray(0, this.bounds.length + 1), (count) => (total += count));
  }
}
