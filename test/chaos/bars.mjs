// What is held against the bars that the project set itself.

/**
 * @typedef {object} Bar
 * @property {string} title
 * @property {number} figure
 * @property {number} limit     the figure is at most this
 * @property {string} unit
 * @property {boolean} isTiming  says something about the machine as well: told, not judged, in the short form
 */

/** @param {string} title @param {number} figure @param {number} limit @returns {Bar} */
export function atMost(title, figure, limit, unit = '', isTiming = unit === 'ms') {
  return { title, figure, limit, unit, isTiming };
}

/** Nothing that a client sent has failed. @param {import('./steady.mjs').Figures} figures @returns {Bar[]} */
export function nothingFailed({ failedGet, failedPost }) {
  return [atMost('failed', failedGet + failedPost, 0)];
}

/** Nothing failed but what a copy had got already and may not be sent twice. @param {import('./steady.mjs').Figures} figures @returns {Bar[]} */
export function nothingAvoidableFailed({ failedGet, failedUnsent, twice }) {
  return [
    atMost('failed GET', failedGet, 0),
    atMost('failed POST that no copy had got', failedUnsent, 0),
    atMost('POST executed twice', twice, 0),
  ];
}

/** @param {Bar} bar @param {boolean} isShort @returns {'pass' | 'miss' | 'not judged'} */
export function verdictOf({ figure, limit, isTiming }, isShort) {
  if (isTiming && isShort) return 'not judged';
  return figure <= limit ? 'pass' : 'miss'; // NaN is a miss: what could not be measured is not there.
}

/** @param {Bar} bar */
export function barText({ title, figure, limit, unit }) {
  return [title, `${short(figure)} ${unit}`.trim(), `≤ ${limit} ${unit}`.trim()];
}

/** Three digits that mean something. @param {number} value */
export function short(value) {
  if (!Number.isFinite(value)) return '–';
  if (Number.isInteger(value)) return value.toLocaleString('en');
  return value.toFixed(Math.abs(value) >= 100 ? 0 : Math.abs(value) >= 10 ? 1 : 2);
}
