// How much of the traffic each priority level carries, and when so few are healthy that health is not believed any more.

/** One level; numbers of endpoints. */
export interface LevelHealth {
  readonly healthy: number;
  /** Those that would be healthy if nobody doubted them. */
  readonly doubted: number;
  /** Those that are known not to work: ejected, failing checks. */
  readonly failing: number;
}

export interface FailoverRules {
  /** A level with h of n endpoints healthy carries min(1, overprovisioning × h / n), ≥ 1. */
  readonly overprovisioning: number;
  /** Below this share of usable endpoints all of a level are used, failing ones too, 0..1. */
  readonly panicThreshold: number;
}

/**
 * `doubted`: the doubted are more than the healthy, so it is the doubt that is not believed: a registry that suddenly names
 * three of a hundred must not send the traffic of a hundred to three. `all`: failing ones are used as well.
 */
export type Panic = 'none' | 'doubted' | 'all';

/** For people. */
export const PANIC_TEXT: Readonly<Record<Panic, string>> = {
  none: 'no panic any more',
  doubted: 'panic: more endpoints are doubted than not, so that doubted ones are used like the others',
  all: 'panic: nearly all endpoints fail, so that failing ones are used like the others',
};

export interface LevelLoad {
  /** Of the requests, 0..1; those of all levels together are 1, where any level has anybody. */
  readonly share: number;
  readonly panic: Panic;
}

/**
 * Envoy's failover: each level carries what its health lets it, the next ones the rest. No level panics while all together
 * can carry everything.
 * @param levels the preferred first.
 */
export function levelLoads(levels: readonly LevelHealth[], rules: FailoverRules): LevelLoad[] {
  const healths = levels.map((level) => healthOf(level.healthy, level, rules));
  const isEnough = sum(healths) >= 1 - ROUNDING;
  const panics = levels.map((level) => (isEnough ? 'none' : panicOf(level, rules)));
  const usable = levels.map((level, n) => healthOf(usableOf(level, panics[n] ?? 'none'), level, rules));
  const total = Math.min(1, sum(usable));
  let left = total;
  return levels.map((_, n) => {
    const carried = Math.min(left, usable[n] ?? 0);
    left -= carried;
    return { share: total === 0 || carried < ROUNDING ? 0 : carried / total, panic: panics[n] ?? 'none' };
  });
}

const ROUNDING = 1e-9;

function panicOf(level: LevelHealth, { panicThreshold }: FailoverRules): Panic {
  const { healthy, doubted, failing } = level;
  const panic = doubted > healthy ? 'doubted' : 'none';
  const usable = usableOf(level, panic);
  const size = healthy + doubted + failing;
  return size > 0 && (usable === 0 || usable < panicThreshold * size) ? 'all' : panic;
}

function usableOf({ healthy, doubted, failing }: LevelHealth, panic: Panic): number {
  return healthy + (panic === 'none' ? 0 : doubted) + (panic === 'all' ? failing : 0);
}

function healthOf(usable: number, { healthy, doubted, failing }: LevelHealth, rules: FailoverRules): number {
  const size = healthy + doubted + failing;
  return size === 0 ? 0 : Math.min(1, (rules.overprovisioning * usable) / size);
}

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0);
}
