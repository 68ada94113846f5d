// What becomes of a stop where leaving the registry takes as long as it may, and where there is nothing to leave.
import { expect, it } from 'vitest';
import { Lifecycle, type Phase } from '../../../src/listener/lifecycle.ts';
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

it('a registry that hangs takes a third of a stop: callers are still given time, and requests theirs', async () => {
  const clock = new FakeClock({ startMs: 0 });
  const phases: [Phase, number][] = [];
  const inbound = listener(clock, 14_000);
  const lifecycle = new Lifecycle({
    clock,
    settleMs: 2_000,
    timeoutMs: 15_000,
    inbound,
    outbound: listener(clock, 0),
    leave: (deadlineMs) => sleep(clock, deadlineMs),
    rejoin: () => undefined,
    onPhase: (phase) => phases.push([phase, clock.now()]),
  });
  lifecycle.started();
  const stopped = lifecycle.stop();
  await clock.advance(20_000);
  await stopped;
  expect(phases).toEqual([
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
  const phases: [Phase, number][] = [];
  const lifecycle = new Lifecycle({
    clock,
    settleMs: 2_000,
    timeoutMs: 15_000,
    inbound: undefined,
    outbound: listener(clock, 3_000),
    leave: () => Promise.reject(new Error('there is nothing to leave')),
    rejoin: () => undefined,
    onPhase: (phase) => phases.push([phase, clock.now()]),
  });
  lifecycle.started();
  const stopped = lifecycle.stop();
  await clock.advance(20_000);
  await stopped;
  expect(phases).toEqual([
    ['serving', 0],
    ['settling', 0],
    ['draining-outbound', 2_000],
    ['stopped', 3_000],
  ]);
});
