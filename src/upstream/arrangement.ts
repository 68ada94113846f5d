// From the endpoints of an upstream to the plan of its picker: priority levels first, then zones, the doubted and the ejected behind.
import type { PriorityOptions, ZoneOptions } from '../balancer/options.ts';
import type { Slot, Slots } from '../balancer/picker.ts';
import type { ActiveGroup, Group, Plan } from '../balancer/plan.ts';
import { levelLoads, type LevelLoad, type Panic } from '../balancer/priority.ts';
import { ownZoneShare } from '../balancer/zone.ts';
import type { ServiceInstance } from '../registry/types.ts';
import { fits, labelOf, type Subset } from '../util/labels.ts';
import type { Endpoint } from './endpoint.ts';

export interface ArrangementOptions {
  readonly zone: ZoneOptions;
  readonly priority: PriorityOptions;
  readonly panicThreshold: number;
}

export interface Arrangement {
  readonly plan: Plan<Endpoint>;
  /** The most that any level has come to. */
  readonly panic: Panic;
}

/** Endpoints of one priority level, by what the picker makes of them. */
interface Level {
  readonly number: number;
  readonly healthy: Slot<Endpoint>[];
  readonly doubted: Slot<Endpoint>[];
  readonly ejected: Slot<Endpoint>[];
  readonly unhealthy: Slot<Endpoint>[];
}

/** Levels told by metadata are 0..9. */
const MAX_LEVEL = 9;

/**
 * @param endpoints all that may be used, placed (places.ts): those of a subset, or all.
 * @param weightOf > 0; asked for those only that can be picked.
 */
export function arrange(
  endpoints: Iterable<Endpoint>,
  options: ArrangementOptions,
  weightOf: (endpoint: Endpoint) => number,
): Arrangement {
  const byNumber = new Map<number, Level>();
  let level: Level | undefined;
  const leaving: Slot<Endpoint>[] = [];
  for (const endpoint of endpoints) {
    const { tier, state } = endpoint;
    if (tier === 'never') continue;
    const slot = endpoint.slotOf(weightOf(endpoint));
    if (tier === 'last') {
      leaving.push(slot);
      continue;
    }
    if (level?.number !== endpoint.level) level = levelIn(byNumber, endpoint.level);
    if (tier === 'first') level.healthy.push(slot);
    else if (tier === 'doubted') level.doubted.push(slot);
    else (state === 'ejected' ? level.ejected : level.unhealthy).push(slot);
  }
  const levels = [...byNumber.values()].sort((a, b) => a.number - b.number);
  return planOf(levels, leaving, options);
}

/** The level of an instance: 0 is used first. */
export function priorityOf(instance: ServiceInstance, { levels, metadata }: PriorityOptions): number {
  if (levels.length > 0) {
    const position = levels.findIndex((labels) => fits(labels, instance));
    return position < 0 ? levels.length : position;
  }
  const level = Number(labelOf(instance, metadata) ?? 0);
  return Number.isInteger(level) && level >= 0 && level <= MAX_LEVEL ? level : 0;
}

/** Those of a subset; where it has none, all or none of them, as its fallback says. */
export function membersOf(
  endpoints: Iterable<Endpoint>,
  subset: Subset,
  fallback: 'none' | 'any',
): readonly Endpoint[] {
  const all = [...endpoints];
  const members = all.filter(({ instance }) => subset.has(instance));
  return members.length === 0 && fallback === 'any' ? all : members;
}

function levelIn(byNumber: Map<number, Level>, number: number): Level {
  let level = byNumber.get(number);
  if (level === undefined) {
    level = { number, healthy: [], doubted: [], ejected: [], unhealthy: [] };
    byNumber.set(number, level);
  }
  return level;
}

function planOf(levels: readonly Level[], leaving: Slot<Endpoint>[], options: ArrangementOptions): Arrangement {
  const loads = levelLoads(
    levels.map(({ healthy, doubted, ejected, unhealthy }) => ({
      healthy: healthy.length,
      doubted: doubted.length,
      failing: ejected.length + unhealthy.length,
    })),
    { overprovisioning: options.priority.overprovisioning, panicThreshold: options.panicThreshold },
  );
  const active: ActiveGroup<Endpoint>[] = [];
  const reserves: Group<Endpoint>[] = [];
  const doubted: Slot<Endpoint>[] = [];
  const last = leaving;
  levels.forEach((level, n) => {
    const load = loads[n] ?? { share: 0, panic: 'none' };
    if (load.panic === 'none') doubted.push(...level.doubted);
    if (load.panic !== 'all') last.push(...level.ejected);
    const used = usedOf(level, load);
    if (!isFilled(used)) return;
    const name = `priority ${level.number}`;
    if (load.share > 0)
      addZones(active, reserves, { name, level, used, load, isOnly: levels.length === 1 }, options.zone);
    else reserves.push({ name, why: `priority ${level.number}: stands by while a lower one is healthy`, slots: used });
  });
  if (isFilled(doubted)) reserves.push({ name: 'doubted', why: 'picked last', slots: doubted });
  if (isFilled(last)) reserves.push({ name: 'last', why: 'picked last', slots: last });
  const panic = loads.some((load) => load.panic === 'all')
    ? 'all'
    : loads.some((load) => load.panic === 'doubted')
      ? 'doubted'
      : 'none';
  const [next, ...rest] = reserves;
  if (active.length > 0 || next === undefined) return { plan: { active, reserves }, panic };
  return { plan: { active: [{ ...next, share: 1 }], reserves: rest }, panic };
}

/** A level that carries load. */
interface LoadedLevel {
  readonly name: string;
  readonly level: Level;
  readonly used: Slots<Endpoint>;
  readonly load: LevelLoad;
  /** There is no other level, so that nobody has to be told of levels. */
  readonly isOnly: boolean;
}

/** One group, or our own zone and the others: those beside it as far as it cannot carry its load, else behind it. */
function addZones(
  active: ActiveGroup<Endpoint>[],
  reserves: Group<Endpoint>[],
  { name, level, used, load, isOnly }: LoadedLevel,
  { prefer, own, share, overprovisioning }: ZoneOptions,
): void {
  const levelText = isOnly ? '' : `, priority ${level.number}`;
  const isOwn = ({ endpoint }: Slot<Endpoint>): boolean => endpoint.instance.zone === own;
  const near = !prefer || own === undefined ? [] : used.filter(isOwn);
  const far = near.length === 0 ? [] : used.filter((slot) => !isOwn(slot));
  if (!isFilled(near) || !isFilled(far)) {
    active.push({ name, why: `picked${levelText}`, slots: used, share: load.share });
    return;
  }
  const zones = new Set<string | undefined>();
  for (const slots of [level.healthy, level.doubted, level.ejected, level.unhealthy])
    for (const { endpoint } of slots) zones.add(endpoint.instance.zone);
  const ownWeight = weightOf(near);
  const totalWeight = ownWeight + weightOf(far);
  const stays = ownZoneShare({ ownWeight, totalWeight, callerShare: share ?? 1 / zones.size, overprovisioning });
  active.push({
    name: `${name}, our zone`,
    why: `picked: in our zone${levelText}`,
    slots: near,
    share: load.share * stays,
  });
  const others = { name: `${name}, other zones`, slots: far };
  if (stays >= 1) {
    reserves.push({ ...others, why: `in another zone: picked when nobody in ours is left${levelText}` });
    return;
  }
  const percent = Math.round((1 - stays) * 1_000) / 10;
  const why = `picked: in another zone, which take the ${percent} % that ours cannot carry${levelText}`;
  active.push({ ...others, why, share: load.share * (1 - stays) });
}

function usedOf({ healthy, doubted, ejected, unhealthy }: Level, { panic }: LevelLoad): readonly Slot<Endpoint>[] {
  if (panic === 'none') return healthy;
  return panic === 'doubted' ? [...healthy, ...doubted] : [...healthy, ...doubted, ...ejected, ...unhealthy];
}

function weightOf(slots: readonly Slot<Endpoint>[]): number {
  return slots.reduce((sum, { weight }) => sum + weight, 0);
}

function isFilled(slots: readonly Slot<Endpoint>[]): slots is Slots<Endpoint> {
  return slots.length > 0;
}
