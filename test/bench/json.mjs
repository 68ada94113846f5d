// JSON that another process of the bench wrote, with the type that the reader names.

/** @template T @param {string} text @returns {T} */
export function parse(text) {
  /** @type {unknown} */
  const value = JSON.parse(text);
  return /** @type {T} */ (value);
}
