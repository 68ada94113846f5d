// Whether a proxy's memory goes on growing while a fault lasts.
import { treeRssBytes } from '../bench/accounting.mjs';
import { median } from '../bench/statistics.mjs';
import { atMost } from './bars.mjs';

const SAMPLES = 30;

/**
 * Takes samples of a process while `work` goes on for `seconds`.
 * @template Result @param {number} pid @param {number} seconds @param {() => Promise<Result>} work
 * @returns {Promise<[result: Result, growth: number]>} `growth`: share by which the last sixth is above the one behind the first
 *   third, in which heap and compiler warm up
 */
export async function growthDuring(pid, seconds, work) {
  /** @type {number[]} */
  const rss = [];
  const sampling = setInterval(() => rss.push(treeRssBytes(pid)), (seconds * 1_000) / SAMPLES);
  const result = await work().finally(() => clearInterval(sampling));
  return [result, median(rss.slice(-SAMPLES / 6)) / median(rss.slice(SAMPLES / 3, SAMPLES / 2)) - 1];
}

/** @param {number} growth @returns {import('./bars.mjs').Bar} */
export function growthBar(growth) {
  return atMost('memory grown after the first third, the warm-up, in percent', growth * 100, 10, '%', true);
}
