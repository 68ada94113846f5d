// Waiting for a condition with a bound, instead of sleeping and hoping.

/** Far beyond what anything takes, also where many others use the machine: what the product promises says so with `withinMs`. */
const WITHIN_MS = 45_000;

/** Polls until `condition` holds (truthy) and gives its value; rejects after `withinMs` with the name of what never came. */
export async function until<T>(
  what: string,
  condition: () => T | Promise<T>,
  options: { readonly withinMs?: number; readonly everyMs?: number } = {},
): Promise<NonNullable<T>> {
  const { withinMs = WITHIN_MS, everyMs = 10 } = options;
  const endMs = performance.now() + withinMs;
  for (;;) {
    const value = await condition();
    if (value !== undefined && value !== null && value !== false) return value;
    if (performance.now() > endMs) throw new Error(`waited ${withinMs} ms in vain: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, everyMs));
  }
}
