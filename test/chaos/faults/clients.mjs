// Faults on the client's side and of the proxy's own host: slow and aborting clients, no descriptors left, two seconds without the CPU.
import { fileURLToPath } from 'node:url';
import { parse } from '../../bench/json.mjs';
import { output } from '../../bench/processes.mjs';
import { atMost, nothingFailed } from '../bars.mjs';
import { epochMs } from '../../bench/epoch.mjs';
import { underLoad } from '../steady.mjs';
import { SERVICE } from '../service.mjs';

const MARGIN_MS = 60_000;

/**
 * Runs one of clients/ to its end.
 * @template Result @param {import('../stage.mjs').Stage} stage @param {string} name @param {Record<string, unknown>} plan
 * @returns {Promise<Result>}
 */
export async function runClients(stage, name, plan) {
  const program = fileURLToPath(new URL(`../clients/${name}.mjs`, import.meta.url));
  const whole = { port: stage.port, host: SERVICE, ...plan };
  return parse(await output([process.execPath, program, JSON.stringify(whole)], stage.cores.load, MARGIN_MS));
}

/** @type {import('./index.mjs').Fault} */
export const slowClients = {
  id: 'slow-clients',
  title: 'Slow clients',
  what: '900 clients that send a byte every 200 ms, of the head or of the content, or read nothing of an answer of 1 MiB.',
  seconds: 20,
  shortSeconds: 3,
  async play(stage, seconds) {
    const count = stage.isShort ? 300 : 900;
    return (
      await underLoad(stage, { seconds, strike: () => runClients(stage, 'slow', { count, seconds: seconds - 1 }) })
    ).figures;
  },
  bars: (figures) => [
    ...nothingFailed(figures),
    atMost('descriptors not given back', figures.filesAfter - figures.filesBefore, 2, '', true),
  ],
};

/** @type {import('./index.mjs').Fault} */
export const aborted = {
  id: 'aborted-clients',
  title: '10,000 aborted clients',
  what: '10,000 clients, 200 at a time, that go before they are answered: with an end, a reset, or within their own content.',
  seconds: 20,
  shortSeconds: 3,
  async play(stage, seconds) {
    const count = stage.isShort ? 1_000 : 10_000;
    const { figures } = await underLoad(stage, {
      seconds,
      strike: () => runClients(stage, 'aborting', { count, concurrent: 200 }),
    });
    return figures;
  },
  bars: (figures) => [
    ...nothingFailed(figures),
    atMost('descriptors not given back', figures.filesAfter - figures.filesBefore, 2, '', true),
  ],
};

const FILES = 256;

/** @type {import('./index.mjs').Fault} */
export const filesExhausted = {
  id: 'no-descriptors',
  title: 'File descriptors exhausted',
  what: `The proxy may have ${FILES} open files, and 400 silent clients connect for half of the time.`,
  setting: { files: FILES },
  seconds: 12,
  shortSeconds: 5,
  async play(stage, seconds) {
    let freeAt = 0;
    const { figures, answered, begunAt } = await underLoad(stage, {
      seconds,
      async strike() {
        await runClients(stage, 'idle', { count: 400, seconds: seconds / 2 });
        freeAt = epochMs();
      },
    });
    const freeMs = freeAt - begunAt;
    const lastFailedMs = Math.max(freeMs, ...answered.map(([dueMs, , , failure]) => (failure === '' ? 0 : dueMs)));
    figures.facts.recoveryMs = lastFailedMs - freeMs;
    return figures;
  },
  bars: (figures) => [
    ...nothingFailed(figures),
    atMost('last failed request after the silent clients have gone', figures.facts.recoveryMs, 1_000, 'ms'),
  ],
};

const STALL_MS = 2_000;

/** @type {import('./index.mjs').Fault} */
export const stalled = {
  id: 'stalled',
  title: 'The proxy stalled',
  what: `SIGSTOP of the proxy itself, SIGCONT ${STALL_MS / 1_000} s later: what a blocked event loop or a frozen machine looks like.`,
  seconds: 10,
  shortSeconds: 4,
  async play(stage, seconds) {
    let awakeAt = 0;
    const { figures, answered, begunAt } = await underLoad(stage, {
      seconds,
      async strike({ sleep }) {
        process.kill(stage.pid, 'SIGSTOP');
        await sleep(STALL_MS);
        process.kill(stage.pid, 'SIGCONT');
        awakeAt = epochMs();
      },
    });
    const awakeMs = awakeAt - begunAt;
    const lastSlowMs = Math.max(awakeMs, ...answered.map(([dueMs, latencyMs]) => (latencyMs < 100 ? 0 : dueMs)));
    figures.facts.recoveryMs = lastSlowMs - awakeMs;
    return figures;
  },
  bars: (figures) => [
    ...nothingFailed(figures),
    atMost('POST executed twice', figures.twice, 0),
    atMost('last request above 100 ms after it goes on', figures.facts.recoveryMs, 500, 'ms'),
  ],
};
