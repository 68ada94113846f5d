// Who holds our id in Nacos, which keeps no id from being said twice, and when a change of ours can be seen.
import type { Holder, Reading } from '../../src/registry/driver.ts';
import type { ServiceInstance } from '../../src/registry/types.ts';
import { sleep, type Clock } from '../../src/util/clock.ts';

/** Servers gather changes for 0.5 s before they show them to anybody: how often it is looked, in ms. */
const LOOK_EVERY_MS = 100;

type Read = (signal: AbortSignal) => Promise<Reading>;

/** What a look at all who say our id has found. */
export interface Verdict {
  readonly holder: Holder | undefined;
  /** Ours stands as well, and the other stays: it has to be taken away. */
  readonly mustYield: boolean;
}

/**
 * Two processes may say the same id. Where both did, all agree on one: the smaller owner stays; the other finds out here.
 * @param isAlive false for a record that only waits to be forgotten.
 */
export async function lookForHolder(
  own: ServiceInstance,
  read: Read,
  isAlive: (other: ServiceInstance) => boolean,
  signal: AbortSignal,
): Promise<Verdict> {
  const { id, host, port, owner } = own;
  const found = (await read(signal)).instances.filter((other) => other.id === id);
  const asHolder = (other: ServiceInstance | undefined): Holder | undefined =>
    other && { owner: other.owner, host: other.host, port: other.port, isAlive: isAlive(other) };
  const mine = found.find((other) => other.owner === owner);
  if (mine === undefined) return { holder: asHolder(found.find(isAlive) ?? found[0]), mustYield: false };
  const isRival = (other: ServiceInstance): boolean =>
    other.owner !== owner && (other.host !== host || other.port !== port) && isAlive(other);
  const rival = found.find(isRival);
  if (rival === undefined || (owner ?? '') < (rival.owner ?? '')) return { holder: asHolder(mine), mustYield: false };
  return { holder: asHolder(rival), mustYield: true };
}

/** Waits until others can see our record as `isShown` wants it: what is said before may never be read by anybody. */
export async function untilShown(
  own: ServiceInstance,
  read: Read,
  isShown: (mine: ServiceInstance | undefined) => boolean,
  clock: Clock,
  signal: AbortSignal,
): Promise<void> {
  for (;;) {
    const { instances } = await read(signal);
    if (isShown(instances.find(({ id, owner }) => id === own.id && owner === own.owner))) return;
    await sleep(clock, LOOK_EVERY_MS, signal);
  }
}
