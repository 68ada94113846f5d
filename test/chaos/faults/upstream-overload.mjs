// Three times as many requests as the copies can serve, which queue what they cannot: without and with adaptive concurrency.
import { setTimeout as sleep } from 'node:timers/promises';
import { treeDescriptors, treeRssBytes } from '../../bench/accounting.mjs';
import { atMost } from '../bars.mjs';
import { runClients } from './clients.mjs';
import { floodFigures } from './storm.mjs';

const COPIES = 3;
const WORKERS = 4;
const SERVICE_MS = 40;
/** What the copies can serve, by their making. */
const PER_SECOND = (COPIES * WORKERS * 1_000) / SERVICE_MS;
const TIMES = 3;
const GIVE_UP_MS = 1_000;
/** Until what was queued for clients that have gone is worked off. */
const REST_MS = 1_000;

/**
 * @param {string} id @param {string} title @param {import('./index.mjs').Fault['bars']} bars
 * @param {string} [upstream]  of Pilotfish
 * @returns {import('./index.mjs').Fault}
 */
function overload(id, title, bars, upstream) {
  return {
    id,
    title,
    what:
      `Each copy has ${WORKERS} workers that need ${SERVICE_MS} ms for a request, and a queue without end from which it serves also clients that ` +
      `have gone: together ${PER_SECOND} a second. ${TIMES} times as many come, open loop, and go after ${GIVE_UP_MS / 1_000} s.`,
    setting: { copies: COPIES, ...(upstream === undefined ? {} : { upstream }) },
    needsRegistry: upstream !== undefined,
    seconds: 20,
    shortSeconds: 6,
    async play(stage, seconds) {
      await Promise.all(stage.copies.map((copy) => copy.tell({ workers: WORKERS, delayMs: SERVICE_MS })));
      const filesBefore = treeDescriptors(stage.pid);
      const rssBefore = treeRssBytes(stage.pid);
      /** @type {import('../clients/flood.mjs').Flooded} */
      const flooded = await runClients(stage, 'flood', {
        perSecond: TIMES * PER_SECOND,
        seconds,
        connections: 4_000,
        giveUpMs: GIVE_UP_MS,
      });
      await sleep(REST_MS);
      const facts = {
        dead: stage.isAlive ? 0 : 1,
        lost: (1 - flooded.ok / seconds / PER_SECOND) * 100,
        refusedP99Ms: flooded.refusedP99Ms,
      };
      return { ...floodFigures(stage, flooded), rssBefore, filesBefore, facts };
    },
    bars,
  };
}

/** Refusals are our own: the copies answer no 503. @param {import('../steady.mjs').Figures} figures */
function adaptiveBars({ facts }) {
  return [
    atMost('goodput below the capacity, in percent', facts.lost, 20, '%', true),
    atMost('503 answered, p99', facts.refusedP99Ms, 10, 'ms'),
  ];
}

/** @type {readonly import('./index.mjs').Fault[]} */
export const upstreamOverload = [
  // Shown for comparison: nothing holds the load back, so that goodput has no bar.
  overload('upstream-overload', `${TIMES} × the capacity of the upstream`, () => []),
  overload(
    'upstream-overload-adaptive',
    `${TIMES} × the capacity of the upstream, with adaptive concurrency`,
    adaptiveBars,
    '{ adaptiveConcurrency: {} }',
  ),
];
