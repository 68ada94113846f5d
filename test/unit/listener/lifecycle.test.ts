// What becomes of a stop where leaving the registry takes as long as it may, and where there is nothing to leave.
import { expect, it } from 'vitest';
import { Lifecycle, type LifecycleParts, type Phase } from '../../../src/listener/lifecycle.ts';
import type { Listener } from '../../../src/listener/listener.ts';
import { sleep } from '../../../src/util/clock.ts';
import { FakeClock } from '../../support/fake-clock.ts';

/** With one request under way until `untilMs`. */
function listener(clock: FakeClock, untilMs: number): { readonly destroyedAtMs: number[] } & Listener {
  const destroyedAtMs: number[] = [];
  return {
    destroyedAtMs,
    stopAccepting: () => undefined,
    drained: () => sleep(clock, Math.max(0, untilMs - clock.now())),
    destroy: () => destroyedAtMs.push(clock.now()),
  } as unknown as { readonly destroyedAtMs: number[] } & Listener;
}

/** A whole stop that begins at 0: its phases, with the ms at which each began. */
async function stopped(
  clock: FakeClock,
  parts: Pick<LifecycleParts, 'inbound' | 'outbound' | 'leave'>,
): Promise<[Phase, number][]> {
  const phases: [Phase, number][] = [];
  const lifecycle = new Lifecycle({
    clock,
    settleMs: 2_000,
    timeoutMs: 15_000,
    rejoin: () => undefined,
    onPhase: (phase) => phases.push([phase, clock.now()]),
    ...parts,
  });
  lifecycle.started();
  const ended = lifecycle.stop();
  await clock.advance(20_000);
  await ended;
  return phases;
}

it('a registry that hangs takes a third of a stop: callers are still given time, and requests theirs', async () => {
  const clock = new FakeClock({ startMs: 0 });
  const inbound = listener(clock, 14_000);
  const leave = (deadlineMs: number): Promise<void> => sleep(clock, deadlineMs);
  expect(await stopped(clock, { inbound, outbound: listener(clock, 0), leave })).toEqual([
    ['serving', 0],
    ['leaving', 0],
    ['settling', 5_000],
    ['draining-inbound', 7_000],
    ['draining-outbound', 14_000],
    ['stopped', 14_000],
  ]);
  expect(inbound.destroyedAtMs).toEqual([14_000]);
});

it('a sidecar that only calls serves its app for a while after the signal', async () => {
  const clock = new FakeClock({ startMs: 0 });
  const leave = (): Promise<never> => Promise.reject(new Error('there is nothing to leave'));
  expect(await stopped(clock, { inbound: undefined, outbound: listener(clock, 3_000), leave })).toEqual([
    ['serving', 0],
    ['settling', 0],
    ['draining-outbound', 2_000],
    ['stopped', 3_000],
  ]);
});
