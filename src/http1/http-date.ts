// HOT PATH. `Date` for answers that came without one (RFC 9110 §6.6.1), made once for each second.
import type { Clock } from '../util/clock.ts';

let madeForSecond = -1;
let text = '';

/** The current time as an IMF-fixdate. */
export function httpDate(clock: Clock): string {
  const second = Math.floor(clock.wallMs() / 1_000);
  if (second !== madeForSecond) {
    madeForSecond = second;
    text = new Date(second * 1_000).toUTCString();
  }
  return text;
}
