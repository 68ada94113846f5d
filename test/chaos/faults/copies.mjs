// Faults of the processes that are called: killed, stopped, behind a black hole, slow, all gone at once.
import { connect } from 'node:net';
import { atMost, nothingAvoidableFailed, nothingFailed } from '../bars.mjs';
import { percentile } from '../../bench/statistics.mjs';
import { attemptsOf } from '../sidecar.mjs';
import { epochMs } from '../../bench/epoch.mjs';
import { PER_SECOND, underLoad } from '../steady.mjs';

const JUDGED_DOWN = 'Answers meanwhile are judged by their p99; the slowest are in the table.';
/** After a thaw: until what had reached the copy is written down. */
const THAW_MS = 500;
const DOWN_MS = 3_000;
/** Between a question for figures, which takes CPU, and the fault. */
const ASKED_MS = 100;
const SLOW_MS = 500;

/** @type {import('./index.mjs').Fault} */
export const killed = {
  id: 'killed',
  title: 'A copy killed',
  what: 'kill −9 of one copy of three.',
  seconds: 20,
  shortSeconds: 3,
  play: async (stage, seconds) => (await underLoad(stage, { seconds, strike: () => stage.copies[0].kill() })).figures,
  // A POST in the hands of the killed process is lost with it: chance, where the machine is slow.
  bars: (figures) => [
    atMost('failed GET', figures.failedGet, 0),
    atMost('failed POST', figures.failedPost, 0, '', true),
    atMost('POST executed twice', figures.twice, 0),
    atMost('p99.9', figures.p999Ms, 25, 'ms'),
  ],
};

/** @type {import('./index.mjs').Fault} */
export const mostKilled = {
  id: 'most-killed',
  title: 'Most copies killed',
  what: 'kill −9 of two copies of three at the same moment.',
  seconds: 10,
  shortSeconds: 3,
  play: async (stage, seconds) =>
    (
      await underLoad(stage, {
        seconds,
        strike: () => Promise.all(stage.copies.slice(0, 2).map((copy) => copy.kill())),
      })
    ).figures,
  bars: killed.bars,
};

/** @type {import('./index.mjs').Fault} */
export const hung = {
  id: 'hung',
  title: 'A copy hangs',
  what:
    'SIGSTOP of one copy of three: its kernel takes connections and requests, and nobody answers. A POST that it has got ' +
    'may not be sent again; the bars are those of all other requests.',
  seconds: 20,
  shortSeconds: 5,
  play: (stage, seconds) => playHang(stage, seconds, () => stage.copies[0].freeze()),
  bars: hangBars,
};

const BACKLOG = 16;

/** @type {import('./index.mjs').Fault} */
export const blackHoled = {
  id: 'black-holed',
  title: 'A copy behind a black hole',
  what: 'One copy of three answers nothing, not even to a SYN: it is stopped, and the queue of its listener is full.',
  setting: { backlog: BACKLOG },
  seconds: 20,
  shortSeconds: 4,
  play: (stage, seconds) =>
    playHang(stage, seconds, () => {
      stage.copies[0].freeze();
      for (let i = 0; i < 3 * BACKLOG; i++)
        connect(stage.copies[0].ports[0], '127.0.0.1')
          .on('error', () => undefined)
          .unref();
    }),
  bars: hangBars,
};

/** @type {import('./index.mjs').Fault} */
export const slow = {
  id: 'slow',
  title: 'A slow copy',
  what: `One copy of three answers ${SLOW_MS} ms later than the others.`,
  seconds: 20,
  shortSeconds: 3,
  play: async (stage, seconds) =>
    (await underLoad(stage, { seconds, strike: () => stage.copies[0].tell({ delayMs: SLOW_MS }) })).figures,
  bars: (figures) => [...nothingFailed(figures), atMost('POST executed twice', figures.twice, 0)],
};

/** @type {import('./index.mjs').Fault} */
export const allDown = {
  id: 'all-down',
  title: 'All copies down, and back',
  what: `kill −9 of all three, which listen again after ${DOWN_MS / 1_000} s. ${JUDGED_DOWN}`,
  seconds: 10,
  shortSeconds: 5,
  play: playDown(3),
  bars: downBars,
};

/** @type {import('./index.mjs').Fault} */
export const oneBack = {
  id: 'one-back',
  title: 'All copies down, and one of them back',
  what: `kill −9 of all three, of which one listens again after ${DOWN_MS / 1_000} s. ${JUDGED_DOWN}`,
  seconds: 10,
  play: playDown(1),
  bars: downBars,
};

/** All killed, and some of them started again. @param {number} back */
function playDown(back) {
  return async (/** @type {import('../stage.mjs').Stage} */ stage, /** @type {number} */ seconds) => {
    const mark = { downAt: 0, upAt: 0, attempts: Number.NaN };
    await attempts(stage); // the first page of metrics loads what makes it
    const { figures, answered, begunAt } = await underLoad(stage, {
      seconds,
      async strike({ sleep }) {
        const before = await attempts(stage);
        await sleep(ASKED_MS);
        await Promise.all(stage.copies.map((copy) => copy.kill()));
        mark.downAt = epochMs();
        await sleep(DOWN_MS);
        const after = await attempts(stage);
        mark.attempts = (after.count - before.count) / (((after.atMs - before.atMs) / 1_000) * PER_SECOND);
        await Promise.all(stage.copies.slice(0, back).map((copy) => copy.start()));
        mark.upAt = epochMs();
      },
    });
    const downMs = mark.downAt - begunAt;
    const upMs = mark.upAt - begunAt;
    const meanwhile = answered.filter(([dueMs]) => dueMs >= downMs && dueMs < downMs + DOWN_MS);
    const lastFailedMs = Math.max(upMs, ...answered.map(([dueMs, , , failure]) => (failure === '' ? 0 : dueMs)));
    figures.facts.meanwhileP99Ms = percentile(
      meanwhile.map(([, latencyMs]) => latencyMs),
      0.99,
    );
    figures.facts.recoveryMs = lastFailedMs - upMs;
    figures.facts.attempts = mark.attempts;
    return figures;
  };
}

/** @param {import('../steady.mjs').Figures} figures */
function downBars({ facts, twice }) {
  return [
    atMost('p99 of the answers meanwhile', facts.meanwhileP99Ms, 5, 'ms'),
    atMost('last failed request after they listen', facts.recoveryMs, 500, 'ms'),
    atMost('attempts meanwhile, by requests', facts.attempts, 1.2),
    atMost('POST executed twice', twice, 0),
  ];
}

/** Tries of requests so far, and when that was. @param {import('../stage.mjs').Stage} stage */
async function attempts({ kind, adminPort }) {
  return { count: kind.isPeer ? Number.NaN : await attemptsOf(adminPort), atMs: performance.now() };
}

/** @param {import('../stage.mjs').Stage} stage @param {number} seconds @param {() => void} hang */
async function playHang(stage, seconds, hang) {
  const { figures, answered } = await underLoad(stage, {
    seconds,
    strike: () => Promise.resolve().then(hang),
    async heal() {
      stage.copies[0].thaw();
      await new Promise((resolve) => setTimeout(resolve, THAW_MS));
    },
  });
  const got = new Set(stage.copies.flatMap((copy) => copy.executed()));
  const latencies = answered
    .filter(([, , method, failure, number]) => method === 'GET' || failure === '' || !got.has(number))
    .map(([, latencyMs]) => latencyMs);
  figures.facts.p99Ms = percentile(latencies, 0.99);
  figures.facts.maxMs = percentile(latencies, 1);
  return figures;
}

/** @param {import('../steady.mjs').Figures} figures */
function hangBars(figures) {
  return [
    ...nothingAvoidableFailed(figures),
    atMost('p99', figures.facts.p99Ms, 300, 'ms'),
    atMost('max', figures.facts.maxMs, 1_000, 'ms'),
  ];
}
