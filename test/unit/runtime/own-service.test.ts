// Our own service, in a registry made of memory: how long its mark is left to be read before its record goes.
import { expect, test } from 'vitest';
import { service } from '../../../src/config/schema/service.ts';
import { createRegistry } from '../../../src/registry/registry.ts';
import type { Capabilities } from '../../../src/registry/types.ts';
import { OwnService } from '../../../src/runtime/own-service.ts';
import type { Log } from '../../../src/telemetry/logger.ts';
import { startApp } from '../../support/apps.ts';
import { FakeClock } from '../../support/fake-clock.ts';
import { until } from '../../support/until.ts';
import { FakeDriver } from '../registry/fake-driver.ts';

const nothing = (): void => undefined;
const log: Log = { trace: nothing, debug: nothing, info: nothing, warn: nothing, error: nothing, fatal: nothing };

/** How long, in ms, after the mark the record of a service that leaves is taken away. */
async function settled(watch: Capabilities['watch'], deadlineMs: number): Promise<number> {
  const clock = new FakeClock();
  const driver = new FakeDriver({ watch });
  const registry = createRegistry(driver, 'fake', { clock });
  const { port } = await startApp();
  const own = new OwnService({
    service: service.parse({ name: 'orders', app: `127.0.0.1:${port}` }),
    registry,
    ttlMs: 10_000,
    isLocal: true,
    clock,
    log,
    inbound: { host: '127.0.0.1', port: 1 },
  });
  own.start();
  await until('registered', () => own.status.state === 'registered');
  const markedAtMs = clock.now();
  const leaving = own.leave(deadlineMs);
  while (driver.count('remove') === 0) await clock.advance(10);
  const settledMs = clock.now() - markedAtMs;
  expect(await leaving).toBe('removed');
  own.stop();
  await registry.close();
  return settledMs;
}

test.each([
  ['stream', 250],
  ['push', 250],
  ['long-poll', 1_000],
  ['poll', 5_500],
] as const)('where callers read by %s, a service that leaves is marked for %i ms', async (watch, ms) => {
  expect(await settled(watch, 8_000)).toBe(ms);
});

test('the mark takes no more than its share of the time to leave', async () => {
  expect(await settled('poll', 3_000)).toBe(2_700);
});
