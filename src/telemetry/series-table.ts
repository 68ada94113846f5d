// HOT PATH. Series by the name of their upstream: bounded in number, and without those that nobody used for a while.
import type { Perishable } from './series.ts';

/** Label value of everything beyond the bound. */
export const OVERFLOW_UPSTREAM = 'other';

/** Beyond it a name shares the series `other`: more than an installation configures, less than hurts a Prometheus. */
export const MAX_SERIES = 5_000;
/** Ten minutes, as DESIGN has it. */
export const IDLE_MS = 600_000;
/** How often at most the table is searched for idle series when a new one comes, so that a flood of names costs no scans. */
const SWEEP_EVERY_MS = 10_000;

/** One writer: the metrics middleware. A series is looked up for every request, never held. */
export class SeriesTable<S extends Perishable> {
  private readonly make: (upstream: string) => S;
  private readonly byName = new Map<string, S>();
  private last: S | undefined = undefined;
  private lastName = '';
  private sweptAtMs = 0;

  constructor(make: (upstream: string) => S) {
    this.make = make;
  }

  /** The series of `name`, made where there is none, marked as used. */
  of(name: string, nowMs: number): S {
    let series = this.last;
    if (series === undefined || name !== this.lastName) {
      series = this.byName.get(name) ?? this.add(name, nowMs);
      this.last = series;
      this.lastName = name;
    }
    series.usedAtMs = nowMs;
    return series;
  }

  /** The series of `name` where there is one; looking does not count as use. */
  peek(name: string): S | undefined {
    return this.byName.get(name);
  }

  get size(): number {
    return this.byName.size;
  }

  values(): Iterable<S> {
    return this.byName.values();
  }

  /** Drops what was last used `IDLE_MS` ago or earlier. */
  sweep(nowMs: number): void {
    this.sweptAtMs = nowMs;
    this.last = undefined;
    for (const [name, series] of this.byName) {
      if (nowMs - series.usedAtMs >= IDLE_MS) this.byName.delete(name);
    }
  }

  private add(name: string, nowMs: number): S {
    if (this.byName.size >= MAX_SERIES && nowMs - this.sweptAtMs >= SWEEP_EVERY_MS) this.sweep(nowMs);
    const label = this.byName.size < MAX_SERIES ? name : OVERFLOW_UPSTREAM;
    let series = this.byName.get(label);
    if (series === undefined) {
      series = this.make(label);
      this.byName.set(label, series);
    }
    return series;
  }
}
