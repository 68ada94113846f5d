// How a record of ours goes: marked as leaving, given time to be seen, removed; all within a deadline (REGISTRIES §2.2, §2.11).
import { sleep, type Clock } from '../util/clock.ts';
import { withDeadline } from './deadline.ts';
import type { RecordKeeper } from './driver.ts';
import { asRegistryError, type Capabilities, type DeregisterOptions } from './types.ts';
import type { RegistryError, ServiceInstance } from './types.ts';

/** What is to go. */
export interface Departing {
  readonly clock: Clock;
  readonly keeper: RecordKeeper;
  /** The record with `leaving` set. */
  readonly record: ServiceInstance;
  readonly ttlMs: number;
  /** False where the registry does not have the record now, so that there is nothing to mark. */
  readonly isMarked: boolean;
  /** How callers learn of the mark. */
  readonly watch: Capabilities['watch'];
  /** The call that was under way: what it writes lands before the record is taken away, not after. */
  readonly inFlight: Promise<void>;
}

type Limited = <T>(call: (signal: AbortSignal) => Promise<T>) => Promise<T>;

/**
 * Time, in ms, for every watcher to read the mark before the record is gone, which makes the removal an explained one: with
 * Consul after its pause between two reads, where lists are polled after the longest wait between two polls.
 */
const SETTLE_MS: Readonly<Record<Capabilities['watch'], number>> = {
  stream: 250,
  push: 250,
  'long-poll': 1_000,
  poll: 5_500,
};
/** Share of the deadline that settling may use; the rest is kept for the removal itself. */
const SETTLE_SHARE = 0.9;

/** Never rejects and never takes longer than `deadlineMs`; undefined: removed, else why the record is left to expire. */
export async function depart(
  departing: Departing,
  { deadlineMs, settleMs = SETTLE_MS[departing.watch] }: DeregisterOptions,
): Promise<RegistryError | undefined> {
  const { clock, keeper, isMarked, inFlight } = departing;
  const endMs = clock.now() + deadlineMs;
  const limited: Limited = (call) => withDeadline(clock, Math.max(0, endMs - clock.now()), [], call);
  try {
    await limited(() => inFlight);
    if (isMarked && settleMs > 0) await settle(departing, settleMs, endMs, limited);
    await limited((signal) => keeper.remove(signal));
    return undefined;
  } catch (error) {
    return asRegistryError(error, 'deregistration');
  }
}

/** A registry that cannot take the mark is not waited for. */
async function settle(departing: Departing, settleMs: number, endMs: number, limited: Limited): Promise<void> {
  const { clock, keeper, record, ttlMs } = departing;
  const marked = await limited((signal) => keeper.update(record, signal)).catch(() => 'lost' as const);
  if (marked === 'lost') return;
  const nowMs = clock.now();
  const untilMs = nowMs + Math.min(settleMs, (endMs - nowMs) * SETTLE_SHARE);
  for (let leftMs = untilMs - nowMs; leftMs > 0; leftMs = untilMs - clock.now()) {
    const sliceMs = Math.min(leftMs, ttlMs / 3);
    await limited((signal) => sleep(clock, sliceMs, signal));
    if (sliceMs < leftMs) await limited((signal) => keeper.refresh(signal));
  }
}
