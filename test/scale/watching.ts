// One sidecar that watches much: what it costs at rest, and how long a change takes to its picker.
import type { ServiceInstance } from '../../src/registry/types.ts';
import { delay, type Made } from './figures.ts';
import { MeasuredSidecar, type Stretch } from './measured.ts';
import { instancesOf, type ScaleRegistry } from './registries.ts';

/** How much, and how long it is looked at. */
export interface WatchPlan {
  readonly services: number;
  readonly instances: number;
  readonly restS: number;
  readonly singles: number;
  readonly manyS: number;
}

/** What became of changes; times of those that reached their picker in ms, in no order. */
export interface Latencies {
  readonly made: number;
  /** Instances whose last change never reached the picker. */
  readonly missing: number;
  /** From when the writer began. */
  readonly whole: readonly number[];
  /** From when the registry had acknowledged it; below 0 where the picker was first. */
  readonly afterAck: readonly number[];
  /** From the beginning to the acknowledgement: the registry's own part. */
  readonly ack: readonly number[];
}

type Cost = Omit<Stretch, 'made' | 'seen' | 'missing'>;

/** Figures of one plan on one registry. */
export interface Watched {
  readonly registry: string;
  readonly plan: WatchPlan;
  readonly bars: ScaleRegistry['bars'];
  readonly readyMs: number;
  readonly rest: Cost & { readonly requestsPerSecond: number };
  readonly single: Latencies;
  /** `changesPerSecond`: that the registry has taken. */
  readonly many: Cost & Latencies & { readonly requestsPerSecond: number; readonly changesPerSecond: number };
}

/** Between single changes, in ms. */
const SINGLE_EVERY_MS = 100;

export async function watchMuch(registry: ScaleRegistry, plan: WatchPlan): Promise<Watched> {
  const { services, instances, restS, singles, manyS } = plan;
  const lists = Array.from({ length: services }, (_, at) => instancesOf(at, instances));
  const all = lists.flat();
  await registry.plant(all);
  const sidecar = new MeasuredSidecar(
    registry.url,
    lists.map((_, at) => `s${at}`),
  );
  try {
    const readyMs = await sidecar.complete(services, all.length);
    await delay(3_000); // What the start left behind is collected.
    const counted = async (
      work: () => Promise<readonly Made[]>,
    ): Promise<Stretch & { readonly requestsPerSecond: number }> => {
      const before = await registry.requests();
      let after: number | undefined;
      const stretch = await sidecar.during(async () => {
        const made = await work();
        after = await registry.requests();
        return made;
      });
      const requests = before === undefined || after === undefined ? stretch.requests : after - before;
      return { ...stretch, requestsPerSecond: requests / stretch.seconds };
    };
    const rest = await counted(() => delay(restS * 1_000).then(() => []));
    const single = latencies(await sidecar.during(() => changeOneByOne(registry, all, singles)));
    const { made, seen, missing, ...cost } = await counted(() => changeAtRate(registry, all, manyS));
    const many = { ...cost, ...latencies({ made, seen, missing }), changesPerSecond: made.length / cost.seconds };
    const { title, bars } = registry;
    return { registry: title, plan, bars, readyMs, rest, single, many };
  } finally {
    await sidecar.close();
  }
}

function latencies({ made, seen, missing }: Pick<Stretch, 'made' | 'seen' | 'missing'>): Latencies {
  const acknowledged = new Map(made.map(({ at, acknowledgedUs }) => [at, acknowledgedUs]));
  const arrived = seen.filter(({ at }) => acknowledged.has(at));
  return {
    made: made.length,
    missing,
    whole: arrived.map(({ at, seenUs }) => (seenUs - Number(at)) / 1_000),
    afterAck: arrived.map(({ at, seenUs }) => (seenUs - (acknowledged.get(at) ?? 0)) / 1_000),
    ack: made.map(({ at, acknowledgedUs }) => (acknowledgedUs - Number(at)) / 1_000),
  };
}

async function changeOneByOne(
  registry: ScaleRegistry,
  all: readonly ServiceInstance[],
  count: number,
): Promise<Made[]> {
  const made: Made[] = [];
  for (let at = 0; at < count; at++) {
    made.push(await registry.change(pick(all, at)));
    await delay(SINGLE_EVERY_MS);
  }
  return made;
}

/**
 * Open loop: a change is begun when it is due, whatever became of those before; but not before the one of the same instance has
 * been acknowledged, else nobody could say which of the two is the last.
 */
async function changeAtRate(
  registry: ScaleRegistry,
  all: readonly ServiceInstance[],
  seconds: number,
): Promise<Made[]> {
  const startMs = performance.now();
  const running: Promise<Made>[] = [];
  for (;;) {
    const elapsedS = (performance.now() - startMs) / 1_000;
    if (elapsedS >= seconds) return Promise.all(running);
    for (const due = elapsedS * registry.changesPerSecond; running.length < due;) {
      const at = running.length;
      const change = (): Promise<Made> => registry.change(pick(all, at));
      running.push(running[at - all.length]?.then(change) ?? change());
    }
    await delay(2);
  }
}

/** Another service each time, all instances in the end: 7,919 is prime. */
function pick(all: readonly ServiceInstance[], at: number): ServiceInstance {
  const instance = all[(at * 7_919) % all.length];
  if (instance === undefined) throw new Error('nothing to change');
  return instance;
}
