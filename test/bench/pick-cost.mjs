// What one pick costs, measured in this process on the compiled pickers; nothing while they are not built.
import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { median } from './statistics.mjs';

/**
 * @typedef {import('../../src/balancer/policies.ts')} Policies
 * @typedef {import('../../src/balancer/picker.ts')} Pickers
 * @typedef {import('../../src/util/clock.ts')} Clocks
 * @typedef {import('../../src/balancer/options.ts').PolicyOptions} PolicyOptions
 * @typedef {import('../../src/http/headers.ts')} HeadersModule
 * @typedef {import('../../src/balancer/picker.ts').Slots<Candidate>} Slots
 * @typedef {{ id: string, address: string, inFlight: number }} Candidate
 */

const DIST = new URL('../../dist/src/', import.meta.url);
/** @type {{ hash: { kind: 'header', name: string, isTerminal: boolean }[], boundedLoad: undefined }} */
const HASH = { hash: [{ kind: 'header', name: 'x-user', isTerminal: false }], boundedLoad: undefined };
/** @type {PolicyOptions[]} */
const POLICIES = [
  { policy: 'least-request' },
  { policy: 'round-robin' },
  { policy: 'random' },
  { policy: 'peak-ewma', decayMs: 10_000, initialMs: 30, penaltyMs: 5_000 },
  { policy: 'ring-hash', ...HASH, points: 512 },
  { policy: 'maglev', ...HASH, tableSize: 65_537 },
];
/** Services × endpoints of each: one small, one large, and many whose pickers do not all stay in the caches. */
const SHAPES = [
  { services: 1, endpoints: 10 },
  { services: 1, endpoints: 1_000 },
  { services: 1, endpoints: 10_000 },
  { services: 100, endpoints: 10 },
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
  /** @type {Policies} */ const { Policy } = await load('balancer/policies.js');
  /** @type {HeadersModule} */ const { Headers } = await load('http/headers.js');
  /** @type {Pickers} */ const { slotOf } = await load('balancer/picker.js');
  /** @type {Clocks} */ const { systemClock } = await load('util/clock.js');
  const costs = [];
  /** Requests of a thousand users, each with five other fields. */
  const contexts = Array.from({ length: 1_000 }, (_, user) => ({
    attempts: [],
    headers: Headers.of(
      ['Host', 'orders'],
      ['Accept', '*/*'],
      ['A', '1'],
      ['B', '2'],
      ['C', '3'],
      ['X-User', `user-${user}`],
    ),
    path: '/',
    affinity: '',
  }));
  for (const options of POLICIES) {
    for (const { services, endpoints } of SHAPES) {
      const pickers = Array.from({ length: services }, () => {
        const slots = /** @type {Slots} */ (
          /** @type {unknown} */ (Array.from({ length: endpoints }, (_, i) => slotOf(candidate(i), 100)))
        );
        const plan = { active: [{ name: 'all', why: '', share: 1, slots }], reserves: [] };
        const picker = new Policy(options, systemClock).pickerOf(plan);
        if (picker === undefined) throw new Error(`no picker for ${options.policy}`);
        return picker;
      });
      const samples = Array.from({ length: SAMPLES + 1 }, () => nsPerPick(pickers, contexts));
      costs.push({ policy: options.policy, services, endpoints, ns: median(samples.slice(1)) }); // the first one warms up
    }
  }
  return costs;
}

/**
 * @param {import('../../src/balancer/picker.ts').Picker<Candidate>[]} pickers
 * @param {import('../../src/balancer/picker.ts').PickContext[]} contexts
 */
function nsPerPick(pickers, contexts) {
  /** @type {(Candidate | undefined)[]} */
  const onTheirWay = new Array(IN_FLIGHT).fill(undefined);
  const began = process.hrtime.bigint();
  for (let i = 0; i < PICKS; i++) {
    const result = pickers[i % pickers.length].pick(contexts[i % contexts.length]);
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
