import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { Registrar } from '../../../src/registry/registrar.ts';
import { createRegistry, type Registry } from '../../../src/registry/registry.ts';
import { RegistryError, type RegistrationHandle, type RegistrationState } from '../../../src/registry/types.ts';
import { sleep } from '../../../src/util/clock.ts';
import { FakeClock } from '../../support/fake-clock.ts';
import { FakeDriver, instance } from './fake-driver.ts';

const TTL_MS = 9_000;
let clock: FakeClock;
let driver: FakeDriver;
let registry: Registry;

beforeEach(() => {
  clock = new FakeClock();
  driver = new FakeDriver();
  registry = createRegistry(driver, 'fake', { clock });
});

afterEach(async () => {
  driver.mode = 'ok';
  await registry.close();
  await clock.advance(60_000);
  expect(clock.timers).toBe(0);
});

function registering(
  change: Parameters<typeof instance>[1] = {},
  ttlMs = TTL_MS,
): {
  handle: RegistrationHandle;
  states: RegistrationState[];
} {
  const handle = registry.register({ instance: instance('a', { owner: 'me', ...change }), ttlMs });
  const states: RegistrationState[] = [];
  handle.onState((state) => states.push(state));
  return { handle, states };
}

describe('a registration', () => {
  test('is acknowledged, beats each third of a TTL, and is verified every few beats', async () => {
    const { handle, states } = registering();
    expect([handle.state, handle.promisedUntilMs]).toEqual(['pending', 0]);
    const sentAtMs = clock.now();
    await handle.registered(AbortSignal.timeout(1_000));
    expect(handle.promisedUntilMs).toBe(sentAtMs + TTL_MS);
    await clock.advance(12_500);
    expect(driver.calls).toEqual(['holder', 'put', 'refresh', 'refresh', 'holder', 'refresh', 'refresh', 'holder']);
    expect(states).toEqual(['registered']);
  });

  test('is at risk after two thirds of a TTL without an answer, lost after one, and registered anew just once', async () => {
    const { handle, states } = registering();
    await clock.advance(10);
    driver.mode = 'hang';
    await clock.advance(5_900);
    expect(handle.state).toBe('registered');
    await clock.advance(200);
    expect(handle.state).toBe('at-risk');
    await clock.advance(2_800);
    expect(handle.state).toBe('at-risk');
    await clock.advance(200);
    expect(handle.state).toBe('lost');
    await clock.advance(20_000);
    driver.mode = 'ok';
    await clock.advance(8_000);
    expect(handle.state).toBe('registered');
    expect(states).toEqual(['registered', 'at-risk', 'lost', 'registered']);
    expect(driver.calls.filter((call) => call === 'put')).toHaveLength(2);
  });

  test('survives an outage shorter than a TTL without a new registration', async () => {
    const { handle, states } = registering();
    await clock.advance(10);
    driver.mode = 'down';
    await clock.advance(5_000);
    driver.mode = 'ok';
    await clock.advance(5_000);
    expect(states).toEqual(['registered']);
    expect([handle.state, driver.count('put')]).toEqual(['registered', 1]);
  });

  test('is tried the more often the less time is left: an outage may last until half a second before the loss', async () => {
    for (let seed = 1; seed <= 50; seed++) {
      const own = { clock: new FakeClock({ seed }), driver: new FakeDriver() };
      const other = createRegistry(own.driver, 'fake', { clock: own.clock });
      const handle = other.register({ instance: instance('a'), ttlMs: TTL_MS });
      const states: RegistrationState[] = [];
      handle.onState((state) => states.push(state));
      await own.clock.advance(10);
      own.driver.mode = 'down';
      await own.clock.advance(TTL_MS - 500);
      own.driver.mode = 'ok';
      await own.clock.advance(1_000);
      expect([seed, ...states]).toEqual([seed, 'registered', 'at-risk', 'registered']);
      await other.close();
    }
  });

  test('is back within five seconds of its registry, whatever call hung while that came back, for long TTLs too', async () => {
    for (let seed = 1; seed <= 100; seed++) {
      const own = { clock: new FakeClock({ seed }), driver: new FakeDriver({}, { callTimeoutMs: 8_000 }) };
      const other = createRegistry(own.driver, 'fake', { clock: own.clock });
      const handle = other.register({ instance: instance('a'), ttlMs: seed % 2 === 0 ? 12_000 : 60_000 });
      await own.clock.advance(10);
      own.driver.mode = 'hang';
      await own.clock.advance(90_000 + seed * 97);
      own.driver.mode = 'ok';
      await own.clock.advance(5_000);
      expect([seed, handle.state]).toEqual([seed, 'registered']);
      await other.close();
    }
  });

  test('is put back within five seconds where the registry came back empty between two beats, for long TTLs too', async () => {
    const { handle } = registering({}, 60_000);
    await clock.advance(10);
    driver.records.clear();
    await clock.advance(4_990);
    expect([handle.state, driver.count('put'), driver.records.size]).toEqual(['registered', 2, 1]);
  });

  test('whose call hung is not tried again in step with all others of its process', async () => {
    for (let n = 0; n < 40; n++) registry.register({ instance: instance(`a${n}`), ttlMs: 60_000 });
    await clock.advance(10);
    driver.mode = 'hang';
    while (driver.count('refresh') < 40) await clock.advance(10);
    const triedIn: number[] = [];
    for (let n = 0; n < 100; n++) {
      const before = driver.calls.length;
      await clock.advance(50);
      triedIn.push(driver.calls.length - before);
    }
    expect(triedIn.reduce((all, now) => all + now)).toBe(40);
    expect(Math.max(...triedIn)).toBeLessThan(10);
  });

  test('that the registry forgot is put back within one beat', async () => {
    const { handle } = registering();
    await clock.advance(10);
    driver.records.clear();
    await clock.advance(3_010);
    expect([handle.state, driver.count('put'), driver.records.size]).toEqual(['registered', 2, 1]);
  });

  test('whose life the registry says has ended is put back at once', async () => {
    registering();
    await clock.advance(10);
    driver.records.clear();
    driver.events.lost();
    await clock.advance(1);
    expect([driver.count('put'), driver.records.size]).toEqual([2, 1]);
  });

  test('comes back once after an event loop that was blocked for three TTLs', async () => {
    const { states } = registering();
    await clock.advance(10);
    const blocked = clock as unknown as { nowMs: number };
    blocked.nowMs += 3 * TTL_MS;
    await clock.advance(100);
    expect(states).toEqual(['registered', 'lost', 'registered']);
    expect(driver.count('put')).toBe(2);
  });

  test('takes over the record of its earlier life: same host and port', async () => {
    driver.records.set('a', instance('a', { owner: 'earlier' }));
    const { handle } = registering();
    await clock.advance(10);
    expect(handle.state).toBe('registered');
    expect(driver.records.get('a')?.owner).toBe('me');
  });

  test('yields to a living holder elsewhere, says conflict, and takes its place once it is dead', async () => {
    driver.records.set('a', instance('a', { owner: 'other', port: 9 }));
    const { handle } = registering();
    await clock.advance(10);
    expect([handle.state, handle.lastError?.kind]).toEqual(['conflict', 'conflict']);
    await clock.advance(60_000);
    expect([handle.state, driver.records.get('a')?.owner]).toEqual(['conflict', 'other']);
    driver.dead.add('other');
    await clock.advance(4_000);
    expect([handle.state, driver.records.get('a')?.owner]).toEqual(['registered', 'me']);
  });

  test('yields to a newcomer that took its id over, and does not fight for it', async () => {
    const { handle } = registering();
    await clock.advance(10);
    driver.records.set('a', instance('a', { owner: 'newcomer' }));
    await clock.advance(60_000);
    expect([handle.state, driver.records.get('a')?.owner, driver.count('put')]).toEqual(['conflict', 'newcomer', 1]);
  });

  test('without rights says denied, and registers when they are there', async () => {
    driver.mode = 'denied';
    const { handle, states } = registering();
    await clock.advance(5_000);
    expect(handle.state).toBe('denied');
    driver.mode = 'ok';
    await clock.advance(4_100);
    expect(states).toEqual(['denied', 'registered']);
  });

  test('is changed without a new life, also while a call is under way', async () => {
    const { handle } = registering();
    handle.update({ weight: 50 });
    await clock.advance(10);
    expect(driver.records.get('a')?.weight).toBe(50);
    handle.update({ weight: 60, tags: ['x'] });
    handle.setHealth('critical');
    await clock.advance(1);
    expect(driver.records.get('a')).toMatchObject({ weight: 60, tags: ['x'], health: 'critical' });
    expect(driver.count('put')).toBe(1);
  });

  test('that breaks a rule is refused before anything is sent', () => {
    expect(() => registering({ metadata: { big: 'x'.repeat(20_000) } })).toThrow(RegistryError);
    expect(() => registering({ host: '0.0.0.0' })).toThrow(RegistryError);
    expect(() => registry.register({ instance: instance('a'), ttlMs: 1 })).toThrow(RegistryError);
    expect(driver.calls).toEqual([]);
  });

  test('with a listener that throws goes on, and counts it', async () => {
    const { handle } = registering();
    handle.onState(() => {
      throw new Error('bug');
    });
    await clock.advance(10);
    expect([handle.state, registry.status.listenerErrors]).toEqual(['registered', 1]);
  });
});

describe('a slow registry', () => {
  test('gets its signs of life at the same rate: a third of a TTL from one to the next', async () => {
    const keep = driver.keep.bind(driver);
    driver.keep = (...what) => {
      const keeper = keep(...what);
      const refresh: typeof keeper.refresh = async (signal) => {
        await sleep(clock, TTL_MS / 6, signal);
        return keeper.refresh(signal);
      };
      return { ...keeper, refresh };
    };
    const { states } = registering();
    for (let step = 0; step < 600; step++) await clock.advance(TTL_MS / 60);
    expect(driver.count('refresh')).toBeGreaterThanOrEqual(28);
    expect(states).toEqual(['registered']);
  });
});

describe('leaving', () => {
  test('is marked, given time to be seen, then removed', async () => {
    const { handle, states } = registering();
    await clock.advance(10);
    const done = handle.deregister({ deadlineMs: 5_000, settleMs: 2_000 });
    await clock.advance(1_900);
    expect(driver.records.get('a')?.leaving).toBe(true);
    await clock.advance(200);
    expect(await done).toBe('removed');
    expect(driver.records.size).toBe(0);
    expect(states).toEqual(['registered', 'leaving', 'gone']);
  });

  test('marks a record as well that was there before its acknowledgement', async () => {
    const keep = driver.keep.bind(driver);
    let acknowledge = (): void => undefined;
    driver.keep = (...what) => {
      const keeper = keep(...what);
      const put: typeof keeper.put = async (...how) => {
        await keeper.put(...how);
        await new Promise<void>((resolve) => (acknowledge = resolve));
      };
      return { ...keeper, put };
    };
    const { handle } = registering();
    await clock.advance(10);
    const done = handle.deregister({ deadlineMs: 5_000, settleMs: 2_000 });
    await clock.advance(10);
    acknowledge();
    await clock.advance(1_000);
    expect(driver.records.get('a')?.leaving).toBe(true);
    await clock.advance(1_100);
    expect(await done).toBe('removed');
  });

  test('ends in time with a registry that hangs: left to expire', async () => {
    const { handle } = registering();
    await clock.advance(10);
    driver.mode = 'hang';
    let result = '';
    void handle.deregister({ deadlineMs: 1_000, settleMs: 500 }).then((end) => (result = end));
    await clock.advance(1_001);
    expect([result, handle.state]).toEqual(['left-to-expire', 'gone']);
  });

  test('does not wait for a registry that is down', async () => {
    const { handle } = registering();
    await clock.advance(10);
    driver.mode = 'down';
    const done = handle.deregister({ deadlineMs: 10_000, settleMs: 5_000 });
    await clock.advance(1);
    expect(await done).toBe('left-to-expire');
  });

  test('before anything was sent has nothing to remove', async () => {
    driver.mode = 'down';
    const { handle } = registering();
    await clock.advance(10);
    expect(await handle.deregister({ deadlineMs: 1_000 })).toBe('removed');
    await expect(handle.registered(AbortSignal.timeout(100))).rejects.toMatchObject({ kind: 'aborted' });
  });
});

describe('a registrar', () => {
  test('registers at the first passing check, withdraws what is unhealthy and brings it back', async () => {
    driver = new FakeDriver({ nativeHealth: false });
    registry = createRegistry(driver, 'fake', { clock });
    const registrar = new Registrar(registry, { instance: instance('a'), ttlMs: TTL_MS });
    registrar.setHealth('critical', 'connection refused');
    await clock.advance(1_000);
    expect(driver.calls).toEqual([]);
    expect(registrar.status).toMatchObject({ state: 'pending', wasRegistered: false });
    registrar.setHealth('passing');
    await clock.advance(10);
    expect(registrar.status).toMatchObject({ state: 'registered', wasRegistered: true });
    registrar.setHealth('critical');
    await clock.advance(10);
    expect(driver.records.get('a')?.leaving).toBe(true);
    await clock.advance(250);
    expect(driver.records.size).toBe(0);
    registrar.setHealth('passing');
    await clock.advance(10);
    expect(driver.records.get('a')?.health).toBe('passing');
    const left = registrar.leave({ deadlineMs: 1_000 });
    await clock.advance(250);
    expect(await left).toBe('removed');
    registrar.setHealth('passing');
    await clock.advance(10_000);
    expect([driver.records.size, registrar.status.state]).toEqual([0, 'gone']);
    registrar.rejoin();
    await clock.advance(10);
    expect(driver.records.size).toBe(1);
  });

  test('marks the record where the registry knows health', async () => {
    const registrar = new Registrar(registry, { instance: instance('a'), ttlMs: TTL_MS });
    registrar.setHealth('passing');
    await clock.advance(10);
    registrar.setHealth('critical');
    await clock.advance(10);
    expect(driver.records.get('a')?.health).toBe('critical');
    expect(driver.count('put')).toBe(1);
  });
});
