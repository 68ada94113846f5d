// What one pick costs, measured in this process on the compiled pickers; nothing while they do not exist.

/**
 * Nanoseconds of one pick out of ten and a thousand endpoints, by policy.
 * @returns {{ policy: string, endpoints: number, ns: number }[]}
 */
export function pickCost() {
  return [];
}
