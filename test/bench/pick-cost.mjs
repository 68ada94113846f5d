// What one pick costs, measured in this process on the compiled pickers; nothing while they are not built.
import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { median } from './statistics.mjs';

/**
 * @typedef {import('../../src/balancer/policies.ts')} Policies
 * @typedef {import('../../src/balancer/picker.ts')} Pickers
 * @typedef {import('../../src/util/clock.ts')} Clocks
 * @typedef {{ id: string, address: string, inFlight: number }} Candidate
 */

const DIST = new URL('../../dist/src/', import.meta.url);
const POLICIES = /** @type {const} */ (['least-request', 'round-robin', 'random']);
/** Services × endpoints of each: one small, one large, and many whose pickers do not all stay in the caches. */
const SHAPES = [
  { services: 1, endpoints: 10 },
  { services: 1, endpoints: 1_000 },
  { services: 1_000, endpoints: 10 },
];
const PICKS = 400_000;
const SAMPLES = 5;
/** Requests that are on their way at any time. */
const IN_FLIGHT = 64;

/**
 * Nanoseconds of one pick, going round over the services, with the in-flight counts kept.
 * @returns {Promise<{ policy: string, services: number, endpoints: number, ns: number }[]>}
 */
export async function pickCost() {
  if (!existsSync(fileURLToPath(new URL('balancer/policies.js', DIST)))) return [];
  /** @type {Policies} */ const { pickerOf } = await load('balancer/policies.js');
  /** @type {Pickers} */ const { slotOf } = await load('balancer/picker.js');
  /** @type {Clocks} */ const { systemClock } = await load('util/clock.js');
  const costs = [];
  for (const policy of POLICIES) {
    for (const { services, endpoints } of SHAPES) {
      const pickers = Array.from({ length: services }, () => {
        const slots = Array.from({ length: endpoints }, (_, i) => slotOf(candidate(i), 100));
        const picker = pickerOf(policy, [slots], systemClock);
        if (picker === undefined) throw new Error(`no picker for ${policy}`);
        return picker;
      });
      const samples = Array.from({ length: SAMPLES + 1 }, () => nsPerPick(pickers));
      costs.push({ policy, services, endpoints, ns: median(samples.slice(1)) }); // the first one warms up
    }
  }
  return costs;
}

/** @param {import('../../src/balancer/picker.ts').Picker<Candidate>[]} pickers */
function nsPerPick(pickers) {
  const context = { attempts: [] };
  /** @type {(Candidate | undefined)[]} */
  const onTheirWay = new Array(IN_FLIGHT).fill(undefined);
  const began = process.hrtime.bigint();
  for (let i = 0; i < PICKS; i++) {
    const result = pickers[i % pickers.length].pick(context);
    if (result.kind !== 'picked') throw new Error(`nothing picked: ${result.kind}`);
    const at = i % IN_FLIGHT;
    const done = onTheirWay[at];
    if (done !== undefined) done.inFlight--;
    result.endpoint.inFlight++;
    onTheirWay[at] = result.endpoint;
  }
  const ns = Number(process.hrtime.bigint() - began) / PICKS;
  for (const one of onTheirWay) if (one !== undefined) one.inFlight--;
  return ns;
}

/** @param {number} i @returns {Candidate} */
function candidate(i) {
  return { id: `copy-${i}`, address: `127.0.0.1:${10_000 + i}`, inFlight: 0 };
}

/** @template T @param {string} path @returns {Promise<T>} */
async function load(path) {
  /** @type {unknown} */
  const module = await import(new URL(path, DIST).href);
  return /** @type {T} */ (module);
}
