// What a run found, as values: the types that blocks, bars and report agree on, and how a row is found in a block.

/**
 * @typedef {Awaited<ReturnType<typeof import('./blocks/requests.mjs').requests>>} Requests
 * @typedef {Awaited<ReturnType<typeof import('./blocks/idle.mjs').idle>>} Idle
 * @typedef {Awaited<ReturnType<typeof import('./blocks/bodies.mjs').bodies>>} Bodies
 * @typedef {Awaited<ReturnType<typeof import('./blocks/services.mjs').manyServices>>} Services
 * @typedef {Awaited<ReturnType<typeof import('./blocks/start.mjs').startUp>>} Start
 * @typedef {Awaited<ReturnType<typeof import('./blocks/kill.mjs').kill>>} Kill
 * @typedef {Awaited<ReturnType<typeof import('./blocks/crowd.mjs').crowd>>} Crowd
 * @typedef {{ A?: Requests, B?: Idle, C?: Bodies, D?: Services, E?: Start, F?: Kill, G?: Crowd }} Blocks  those that ran
 *
 * @typedef {object} Results
 * @property {ReturnType<typeof import('./machine.mjs').machine>} machine
 * @property {boolean} quick
 * @property {number} tookSeconds
 * @property {string[]} argv
 * @property {{ title: string, version: string }[]} versions
 * @property {{ title: string, reason: string }[]} left  rows without figures, and why
 * @property {Blocks} blocks
 * @property {import('./bars.mjs').Bar[]} bars
 */

/**
 * @template {{ id: string }} Row
 * @param {{ rows: Row[] } | undefined} block @param {string} id
 * @returns {Row | undefined}
 */
export function rowOf(block, id) {
  return block?.rows.find((row) => row.id === id);
}
