// HOT PATH. Durations and moments as text, without the cost of printing a fraction or a date for each line.

/** `.000` … `.999`. */
const THOUSANDTHS: readonly string[] = Array.from(
  { length: 1_000 },
  (_, index) => `.${String(index).padStart(3, '0')}`,
);

/** Milliseconds as a JSON number with microseconds: `12.345`, `7`, `0`. Negative and not-a-number are `0`. */
export function millisecondsText(ms: number): string {
  const microseconds = Math.round(ms * 1_000);
  if (!(microseconds > 0) || microseconds === Infinity) return '0';
  const whole = Math.floor(microseconds / 1_000);
  const rest = microseconds - whole * 1_000;
  return rest === 0 ? String(whole) : String(whole) + (THOUSANDTHS[rest] ?? '');
}

/** Prints moments as `2026-07-01T12:00:00.123Z`; the part down to the second is kept from one call to the next. */
export class MomentText {
  private second = Number.NaN;
  private prefix = '';

  /** @param wallMs milliseconds since 1970 (`Clock.wallMs`), ≥ 0. */
  of(wallMs: number): string {
    const whole = Math.floor(wallMs);
    const second = Math.floor(whole / 1_000);
    if (second !== this.second) {
      this.second = second;
      this.prefix = new Date(second * 1_000).toISOString().slice(0, 19);
    }
    return `${this.prefix}${THOUSANDTHS[whole - second * 1_000] ?? '.000'}Z`;
  }
}
