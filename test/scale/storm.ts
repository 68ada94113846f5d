// Two hundred registrants and watchers of one registry that is killed and comes back: how long until all is right, and how it is asked.
import { fork, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { killAtExit } from '../support/children.ts';
import { until } from '../support/until.ts';
import { cpuSeconds, delay, percentile, residentMb, type FleetState } from './figures.ts';
import type { ScaleRegistry } from './registries.ts';

/** How many, in how many processes. */
export interface StormPlan {
  readonly adapters: number;
  readonly processes: number;
  readonly ttlMs: number;
  readonly awayMs: number;
}

/** Figures of one restart. */
export interface Stormed {
  readonly registry: string;
  readonly plan: StormPlan;
  /** From the start to all registered and seen by all. */
  readonly readyMs: number;
  /** From when it answers again until half of the records were back, and until the last was. */
  readonly halfMs: number;
  readonly lastMs: number;
  /** Until all watches were live, and all lists whole too. */
  readonly liveMs: number;
  readonly wholeMs: number;
  /** Requests to the registry: at rest, and the most in any `SAMPLE_MS` after its return. */
  readonly restPerSecond: number;
  readonly peakPerSecond: number;
  /** Of all processes together: shares of a core at rest, and MB. */
  readonly restCpu: number;
  readonly residentMb: number;
  /** Lists that lost anybody while it was away, or after. */
  readonly shrunk: number;
}

const SAMPLE_MS = 250;
const REST_S = 6;
const FLEET = fileURLToPath(new URL('./fleet.js', import.meta.url));

export async function restartUnderAll(registry: ScaleRegistry, plan: StormPlan): Promise<Stormed> {
  const { adapters, processes, ttlMs, awayMs } = plan;
  const each = adapters / processes;
  const fleet = Array.from({ length: processes }, (_, at) => {
    const child = fork(FLEET, [registry.url, at * each, each, adapters, ttlMs].map(String));
    killAtExit(child);
    return child;
  });
  const requests = async (): Promise<number> => (await registry.requests()) ?? (await stateOf(fleet)).requests;
  try {
    const readyMs = await isWhole(fleet, adapters, 180_000);
    await delay(3_000);
    const [before, cpuBefore] = [await requests(), totalCpu(fleet)];
    await delay(REST_S * 1_000);
    const after = await requests();
    const restCpu = (totalCpu(fleet) - cpuBefore) / REST_S;
    const restPerSecond = (after - before) / REST_S;
    await registry.kill();
    await delay(awayMs);
    const shrunk = adapters - (await stateOf(fleet)).complete;
    await registry.restart();
    const samples = sampleRequests(requests);
    const startMs = performance.now();
    const back = await untilAllAreBack(fleet, adapters, startMs);
    const rates = await samples.end();
    const megabytes = fleet.reduce((sum, { pid = 0 }) => sum + residentMb(pid), 0);
    const peakPerSecond = percentile(rates, 1);
    const figures = { readyMs, ...back, restPerSecond, peakPerSecond, restCpu, residentMb: megabytes, shrunk };
    return { registry: registry.title, plan, ...figures };
  } finally {
    for (const child of fleet) child.kill('SIGKILL');
  }
}

async function isWhole(fleet: readonly ChildProcess[], all: number, withinMs: number): Promise<number> {
  const startMs = performance.now();
  const condition = async (): Promise<boolean> => {
    const { registered, complete } = await stateOf(fleet);
    return registered === all && complete === all;
  };
  await until('all are registered and seen', condition, { withinMs, everyMs: 50 });
  return performance.now() - startMs;
}

/** Each time is that since when it has been so without a break. */
async function untilAllAreBack(
  fleet: readonly ChildProcess[],
  all: number,
  startMs: number,
): Promise<Pick<Stormed, 'halfMs' | 'lastMs' | 'liveMs' | 'wholeMs'>> {
  const since = { halfMs: NaN, lastMs: NaN, liveMs: NaN, wholeMs: NaN };
  const state = async (): Promise<boolean> => {
    const { registered, live, complete } = await stateOf(fleet);
    const holds = {
      halfMs: registered >= all / 2,
      lastMs: registered === all,
      liveMs: live === all,
      wholeMs: complete === all,
    };
    const nowMs = performance.now() - startMs;
    for (const name of ['halfMs', 'lastMs', 'liveMs', 'wholeMs'] as const) {
      if (!holds[name]) since[name] = NaN;
      else if (Number.isNaN(since[name])) since[name] = nowMs;
    }
    return Object.values(holds).every(Boolean);
  };
  await until('all are back', state, { withinMs: 60_000, everyMs: 20 });
  return since;
}

async function stateOf(fleet: readonly ChildProcess[]): Promise<FleetState> {
  const states = await Promise.all(
    fleet.map(async (child) => {
      const answer = once(child, 'message', { signal: AbortSignal.timeout(30_000) });
      child.send('state');
      return ((await answer) as [FleetState])[0];
    }),
  );
  const sum = (read: (state: FleetState) => number): number => states.reduce((total, one) => total + read(one), 0);
  const [registered, live] = [sum((s) => s.registered), sum((s) => s.live)];
  return { registered, live, complete: sum((s) => s.complete), requests: sum((s) => s.requests) };
}

function totalCpu(fleet: readonly ChildProcess[]): number {
  return fleet.reduce((sum, { pid = 0 }) => sum + cpuSeconds(pid), 0);
}

/** Requests a second, sample by sample, until `end`; one at least. */
function sampleRequests(requests: () => Promise<number>): { end(): Promise<readonly number[]> } {
  const rates: number[] = [];
  let isOver = false;
  const sample = async (): Promise<void> => {
    let [last, lastMs] = [await requests(), performance.now()];
    do {
      await delay(SAMPLE_MS);
      const [count, nowMs] = [await requests(), performance.now()];
      rates.push(((count - last) * 1_000) / (nowMs - lastMs));
      [last, lastMs] = [count, nowMs];
    } while (!isOver);
  };
  const running = sample();
  return {
    end: async () => {
      isOver = true;
      await running;
      return rates;
    },
  };
}
