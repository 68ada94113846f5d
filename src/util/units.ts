// Durations and sizes as people write them in configuration, and back.

const DURATION_MS: Readonly<Record<string, number>> = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000 };
const SIZE_BYTES: Readonly<Record<string, number>> = { B: 1, KiB: 1_024, MiB: 1_048_576, GiB: 1_073_741_824 };

/** `250ms`, `5s`, `1.5m`, `1h` → milliseconds; undefined where the text is no duration. A bare `0` is one. */
export function parseDuration(text: string): number | undefined {
  return parse(text, DURATION_MS);
}

/** `512B`, `16KiB`, `1MiB` → bytes; undefined where the text is no size. */
export function parseSize(text: string): number | undefined {
  return parse(text, SIZE_BYTES);
}

function parse(text: string, units: Readonly<Record<string, number>>): number | undefined {
  if (text === '0') return 0;
  const match = /^(\d{1,12}(?:\.\d{1,3})?)([A-Za-z]{1,3})$/.exec(text);
  const unit = match?.[2] === undefined || !Object.hasOwn(units, match[2]) ? undefined : units[match[2]];
  if (match?.[1] === undefined || unit === undefined) return undefined;
  return Math.round(Number(match[1]) * unit);
}
