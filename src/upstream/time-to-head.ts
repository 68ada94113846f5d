// HOT PATH. How long an upstream takes to its answers' heads: a histogram that forgets, from which quantiles are read now and then.

/** Units of a quarter of a millisecond; two buckets for each doubling, from 0.5 ms to 2^18 ms. */
const UNITS_PER_MS = 4;
const BUCKETS = 40;
const MAX_UNITS = 2 ** 20;
/** So many are remembered fully; whenever there are more, all counts are halved. */
const MEMORY = 4_096;

/** Buckets grow by a third to a half, so that a quantile is at most half too large. Adding one costs a few integer operations. */
export class TimeToHead {
  private readonly counts = new Uint16Array(BUCKETS);
  private total = 0;

  /** Answers that are remembered. */
  get size(): number {
    return this.total;
  }

  /** @param ms ≥ 0. */
  add(ms: number): void {
    const units = Math.min(MAX_UNITS, Math.max(2, ms * UNITS_PER_MS)) | 0;
    const exponent = 31 - Math.clz32(units);
    const bucket = 2 * (exponent - 1) + ((units >> (exponent - 1)) & 1);
    this.counts[bucket] = (this.counts[bucket] ?? 0) + 1;
    if (++this.total >= MEMORY) this.forgetHalf();
  }

  /** The upper end of the bucket in which the quantile lies, in ms; undefined before the first answer. @param q 0..1. */
  quantile(q: number): number | undefined {
    if (this.total === 0) return undefined;
    let left = Math.max(1, Math.ceil(q * this.total));
    for (let bucket = 0; bucket < BUCKETS; bucket++) {
      left -= this.counts[bucket] ?? 0;
      if (left <= 0) return upperEndMs(bucket);
    }
    return upperEndMs(BUCKETS - 1);
  }

  clear(): void {
    this.total = 0;
    this.counts.fill(0);
  }

  private forgetHalf(): void {
    this.total = 0;
    for (let bucket = 0; bucket < BUCKETS; bucket++) {
      const half = (this.counts[bucket] ?? 0) >> 1;
      this.counts[bucket] = half;
      this.total += half;
    }
  }
}

function upperEndMs(bucket: number): number {
  const exponent = (bucket >> 1) + 1;
  return (2 ** exponent * (bucket % 2 === 0 ? 1.5 : 2)) / UNITS_PER_MS;
}
