// All faults, in the order in which they are played and printed.
import { announced, atOnce, halfUnavailable, onceIdle, resetBefore, resetHeld, resetWithin } from './answers.mjs';
import { aborted, filesExhausted, slowClients, stalled } from './clients.mjs';
import { allDown, blackHoled, hung, killed, mostKilled, oneBack, slow } from './copies.mjs';
import { cut, emptied, flapping, halved, registryKilled } from './registry.mjs';
import { storm } from './storm.mjs';
import { upstreamOverload } from './upstream-overload.mjs';

/**
 * @typedef {object} Fault
 * @property {string} id
 * @property {string} title
 * @property {string} what       happens, for the page
 * @property {import('../stage.mjs').Setting} [setting]
 * @property {boolean} [needsRegistry]  or something else that peers have not: they are not put to it
 * @property {() => string | undefined} [missing]  why it cannot be played here
 * @property {number} seconds    of load after the fault began
 * @property {number | undefined} [shortSeconds]  the same in the short form; undefined: not part of it
 * @property {(stage: import('../stage.mjs').Stage, seconds: number) => Promise<import('../steady.mjs').Figures>} play
 * @property {(figures: import('../steady.mjs').Figures) => import('../bars.mjs').Bar[]} bars
 */

/** @type {readonly Fault[]} */
export const FAULTS = [
  killed,
  mostKilled,
  hung,
  blackHoled,
  slow,
  resetBefore,
  resetWithin,
  resetHeld,
  announced,
  atOnce,
  onceIdle,
  halfUnavailable,
  allDown,
  oneBack,
  ...registryKilled,
  ...emptied,
  ...halved,
  ...cut,
  ...flapping,
  storm,
  ...upstreamOverload,
  slowClients,
  aborted,
  filesExhausted,
  stalled,
];
