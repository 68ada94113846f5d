import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { createRegistry, type Registry, type RegistryEvent } from '../../../src/registry/registry.ts';
import { RegistryError, serviceKey, type ServiceView, type WatchState } from '../../../src/registry/types.ts';
import { FakeClock } from '../../support/fake-clock.ts';
import { FakeDriver, instance, KEY, reading } from './fake-driver.ts';

let clock: FakeClock;
let driver: FakeDriver;
let registry: Registry;
let events: RegistryEvent[];

beforeEach(() => {
  clock = new FakeClock();
  driver = new FakeDriver();
  events = [];
  registry = createRegistry(driver, 'fake', { clock, onEvent: (event) => events.push(event) });
});

afterEach(async () => {
  await registry.close();
  await clock.advance(60_000);
  expect(clock.timers).toBe(0);
  expect(driver.streams).toEqual([]);
});

function watching(): { views: ServiceView[]; states: WatchState[]; watch: ReturnType<Registry['watch']> } {
  const views: ServiceView[] = [];
  const states: WatchState[] = [];
  const watch = registry.watch(KEY, { onView: (view) => views.push(view), onState: (state) => states.push(state) });
  return { views, states, watch };
}

const ids = (view: ServiceView | undefined): string[] => view?.snapshot.instances.map(({ id }) => id) ?? ['-'];

describe('a watch', () => {
  test('is syncing without a list, which is not an empty one, then live', async () => {
    const { watch, views, states } = watching();
    await clock.advance(100);
    expect([watch.state, watch.view]).toEqual(['syncing', undefined]);
    driver.stream.sink.reading(reading(['b', 'a']));
    expect(ids(views[0])).toEqual(['a', 'b']);
    expect(states).toEqual(['live']);
    expect(watch.stalenessMs).toBe(0);
  });

  test('that joins later is told the state that holds', async () => {
    watching();
    driver.stream.sink.reading(reading(['a']));
    const second = watching();
    await clock.advance(1);
    expect([second.states, ids(second.views[0])]).toEqual([['live'], ['a']]);
    driver.stream.fail(new RegistryError('unavailable', 'gone'));
    await clock.advance(1);
    const third = watching();
    await clock.advance(1);
    expect([second.states, third.states]).toEqual([['live', 'stale'], ['stale']]);
  });

  test('hears of an empty service as an empty list', () => {
    const { views } = watching();
    driver.stream.sink.reading(reading([]));
    expect(ids(views[0])).toEqual([]);
  });

  test('holds the last list through any error, grows stale, and is live again with the next list', async () => {
    const { watch, views, states } = watching();
    driver.stream.sink.reading(reading(['a', 'b']));
    driver.stream.fail(new RegistryError('unavailable', 'gone'));
    await clock.advance(1);
    expect(watch.state).toBe('stale');
    expect(watch.lastError?.kind).toBe('unavailable');
    await clock.advance(30_000);
    expect(ids(watch.view)).toEqual(['a', 'b']);
    expect(watch.stalenessMs).toBeGreaterThan(0);
    driver.stream.sink.reading(reading(['a', 'b']));
    expect(watch.state).toBe('live');
    expect(states).toEqual(['live', 'stale', 'live']);
    expect(views).toHaveLength(1);
  });

  test('says denied where the registry refuses us, keeps the list, and goes on trying', async () => {
    const { watch } = watching();
    driver.stream.sink.reading(reading(['a']));
    driver.stream.fail(new RegistryError('forbidden', 'no'));
    await clock.advance(1);
    expect(watch.state).toBe('denied');
    await clock.advance(10_000);
    expect(driver.followed).toBeGreaterThan(1);
    expect(ids(watch.view)).toEqual(['a']);
  });

  test('that is denied while the registry is heard grows old, and is tried less and less often', async () => {
    const { watch } = watching();
    driver.stream.sink.reading(reading(['a']));
    clock.random = () => 0;
    for (let tries = 0; tries < 8; tries++) {
      driver.stream.sink.alive(); // The refusal is an answer, too.
      driver.stream.fail(new RegistryError('forbidden', 'no'));
      await clock.advance(1_000);
    }
    driver.stream.sink.alive();
    expect([watch.state, watch.stalenessMs]).toEqual(['denied', 8_000]);
    driver.stream.fail(new RegistryError('forbidden', 'no'));
    const { followed } = driver;
    await clock.advance(399); // A tenth of 4 s is the least that a back-off at its end waits.
    expect(driver.followed).toBe(followed);
    await clock.advance(1);
    expect(driver.followed).toBe(followed + 1);
  });

  test('whose stream stood without changes is soon followed again when that is lost', async () => {
    watching();
    driver.stream.sink.reading(reading(['a']));
    for (let second = 0; second < 20; second++) {
      await clock.advance(1_000);
      driver.stream.sink.alive();
    }
    clock.random = () => 0;
    const { followed } = driver;
    driver.stream.fail(new RegistryError('unavailable', 'gone'));
    await clock.advance(1);
    expect(driver.followed).toBe(followed + 1);
  });

  test('notices silence and follows anew', async () => {
    const { watch } = watching();
    driver.stream.sink.reading(reading(['a']));
    const first = driver.stream;
    for (let second = 0; second < 30; second++) {
      await clock.advance(1_000);
      driver.stream.sink.alive();
    }
    expect(watch.state).toBe('live');
    await clock.advance(13_000);
    expect(watch.state).toBe('stale');
    expect(first.signal.aborted).toBe(true);
    first.sink.reading(reading(['late']));
    expect(ids(watch.view)).toEqual(['a']);
  });

  test('drops equal lists and keeps the objects that did not change', async () => {
    const { views, watch } = watching();
    driver.stream.sink.reading(reading(['a', 'b']));
    driver.stream.sink.reading(reading(['b', 'a']));
    expect(views).toHaveLength(1);
    await clock.advance(100);
    driver.stream.sink.reading(reading(['a', 'b', 'c']));
    expect(views[1]?.snapshot.instances[0]).toBe(views[0]?.snapshot.instances[0]);
    expect(watch.stats.equal).toBe(1);
  });

  test('applies the first change at once and a burst at most fifty times a second, ending with the newest', async () => {
    const { views, watch } = watching();
    driver.stream.sink.reading(reading(['a']));
    expect(views).toHaveLength(1);
    for (let change = 0; change < 1_000; change++) {
      driver.stream.sink.reading(reading(['a', instance('b', { weight: change })]));
      await clock.advance(1);
    }
    await clock.advance(100);
    expect(watch.stats.applies).toBeLessThanOrEqual(53);
    expect(watch.stats.applies).toBeGreaterThan(40);
    expect(watch.view?.snapshot.instances[1]?.weight).toBe(999);
  });

  test('applies no sooner where timers come a little early', async () => {
    class HastyClock extends FakeClock {
      override setTimer(delayMs: number, callback: () => void): ReturnType<FakeClock['setTimer']> {
        return super.setTimer(Math.max(0.1, delayMs - 0.7), callback);
      }
    }
    const hasty = new HastyClock();
    const own = createRegistry(driver, 'fake', { clock: hasty });
    const times: number[] = [];
    own.watch(KEY, { onView: () => times.push(hasty.now()) });
    for (let weight = 1; weight <= 100; weight++) {
      driver.stream.sink.reading(reading([instance('a', { weight })]));
      await hasty.advance(1);
    }
    expect(times.length).toBeGreaterThan(3);
    for (const [at, time] of times.slice(1).entries()) expect(time - (times[at] ?? 0)).toBeGreaterThanOrEqual(20);
    await own.close();
  });

  test('rests four times as long as the lists take that it hands on, so that thousands of instances leave time for requests', async () => {
    class BusyClock extends FakeClock {
      spentMs = 0;
      override now(): number {
        return super.now() + this.spentMs;
      }
    }
    const busy = new BusyClock();
    const slow = createRegistry(driver, 'fake', { clock: busy });
    const watch = slow.watch(KEY, { onView: () => (busy.spentMs += 15) });
    const change = (weight: number): void => driver.stream.sink.reading(reading([instance('a', { weight })]));
    for (let weight = 1; weight <= 30; weight++) change(weight);
    expect(watch.view?.snapshot.instances[0]?.weight).toBe(1);
    await busy.advance(59);
    expect(watch.stats.applies).toBe(1);
    await busy.advance(1);
    expect(watch.view?.snapshot.instances[0]?.weight).toBe(30);
    await slow.close();
    await busy.advance(60_000);
  });

  test('counts a listener that throws, and the others get their list', () => {
    registry.watch(KEY, {
      onView: () => {
        throw new Error('bug');
      },
    });
    const { views, watch } = watching();
    driver.stream.sink.reading(reading(['a']));
    expect(views).toHaveLength(1);
    expect(watch.stats.listenerErrors).toBe(1);
    expect(events.some((event) => event.kind === 'listener-error')).toBe(true);
  });

  test('shares one stream with the other watches of its service, and ends it with the last', async () => {
    const first = watching();
    driver.stream.sink.reading(reading(['a']));
    const second = watching();
    expect(driver.followed).toBe(1);
    await clock.advance(1);
    expect(ids(second.views[0])).toEqual(['a']);
    first.watch.close();
    first.watch.close();
    expect(driver.streams).toHaveLength(1);
    expect([first.watch.state, second.watch.state]).toEqual(['closed', 'live']);
    second.watch.close();
    await clock.advance(1);
    expect(driver.streams).toHaveLength(0);
  });

  test('that is closed hears nothing more', async () => {
    const { views, watch } = watching();
    const { sink } = driver.stream;
    watch.close();
    sink.reading(reading(['a']));
    await clock.advance(1_000);
    expect(views).toEqual([]);
  });

  test('of a denied service disturbs no other', async () => {
    const denied = registry.watch(serviceKey('secret'), {});
    driver.stream.fail(new RegistryError('forbidden', 'no'));
    await clock.advance(1);
    const { watch } = watching();
    driver.stream.sink.reading(reading(['a']));
    expect([denied.state, watch.state]).toEqual(['denied', 'live']);
  });

  test('of a name that cannot be one is refused', () => {
    expect(() => registry.watch(serviceKey(''), {})).toThrow(RegistryError);
  });
});

describe('losing all or most at once', () => {
  test('is held, confirmed by a second read, and the missing become suspects until their probe fails', async () => {
    const { watch } = watching();
    driver.stream.sink.reading(reading(['a', 'b', 'c']));
    await clock.advance(100);
    driver.answer = reading([]);
    driver.stream.sink.reading(reading([]));
    expect(watch.view?.snapshot.origin).toBe('held');
    await clock.advance(4_000);
    driver.stream.sink.alive();
    expect([driver.reads, watch.view?.suspects.size]).toEqual([0, 0]);
    await clock.advance(1_500);
    expect(driver.reads).toBe(1);
    expect(ids(watch.view)).toEqual(['a', 'b', 'c']);
    expect([...(watch.view?.suspects ?? [])].sort()).toEqual(['a', 'b', 'c']);
    watch.probeFailed('a');
    await clock.advance(50);
    expect(ids(watch.view)).toEqual(['b', 'c']);
    watch.probeFailed('b');
    watch.probeFailed('c');
    await clock.advance(50);
    expect(ids(watch.view)).toEqual([]);
  });

  test('applies at once where every copy said that it leaves, also where that was skipped over in a burst', async () => {
    const { watch } = watching();
    driver.stream.sink.reading(reading(['a', 'b']));
    await clock.advance(100);
    driver.stream.sink.reading(reading([instance('a', { leaving: true }), 'b'].slice(0, 2)));
    driver.stream.sink.reading(reading([instance('a', { leaving: true }), instance('b', { leaving: true })]));
    driver.stream.sink.reading(reading([]));
    await clock.advance(50);
    expect(ids(watch.view)).toEqual([]);
    expect(watch.stats.guarded).toBe(0);
  });

  test('applies at once where the registry proves it', async () => {
    const { watch } = watching();
    driver.stream.sink.reading(reading(['a', 'b']));
    await clock.advance(100);
    driver.stream.sink.reading(reading([], { departed: new Set(['a', 'b']) }));
    expect(ids(watch.view)).toEqual([]);
  });

  test('is retried until the second read succeeds, and contradicted by one that names the missing', async () => {
    const { watch } = watching();
    driver.stream.sink.reading(reading(['a', 'b']));
    await clock.advance(100);
    driver.stream.sink.reading(reading([]));
    await clock.advance(7_500);
    driver.stream.sink.alive();
    expect(driver.reads).toBeGreaterThan(1);
    const { followed } = driver;
    driver.answer = reading(['a', 'b']);
    await clock.advance(5_000);
    expect(driver.followed).toBeGreaterThan(followed);
    expect(watch.view?.suspects.size).toBe(0);
    expect(ids(watch.view)).toEqual(['a', 'b']);
  });

  test('has to be confirmed anew in another epoch', async () => {
    const { watch } = watching();
    driver.stream.sink.reading(reading(['a', 'b']));
    await clock.advance(100);
    driver.stream.sink.reading(reading([]));
    await clock.advance(4_000);
    driver.stream.sink.reading(reading([], { epoch: 'e2' }));
    driver.answer = reading([], { epoch: 'e2' });
    await clock.advance(2_000);
    expect([driver.reads, watch.view?.suspects.size]).toEqual([0, 0]);
    await clock.advance(3_500);
    expect(watch.view?.suspects.size).toBe(2);
  });

  test('forgets suspects that nobody probes after the hold time', async () => {
    const { watch } = watching();
    driver.stream.sink.reading(reading(['a']));
    await clock.advance(100);
    driver.answer = reading([]);
    driver.stream.sink.reading(reading([]));
    for (let second = 0; second < 700; second++) {
      await clock.advance(1_000);
      driver.stream.sink.alive();
    }
    expect(ids(watch.view)).toEqual([]);
  });
});

describe('what others wrote', () => {
  test('that points to our own listeners, or twice to one id, is rejected and the rest served', () => {
    const guarded = createRegistry(driver, 'fake', {
      clock,
      allowLoopback: false,
      ownAddresses: () => [{ host: '10.0.0.9', port: 15000 }],
    });
    const watch = guarded.watch(KEY, {});
    driver.stream.sink.reading(
      reading([
        'a',
        'a',
        instance('own', { host: '10.0.0.9', port: 15000 }),
        instance('loop', { host: '127.0.0.1' }),
        instance('fine', { host: '10.0.0.9', port: 15001 }),
      ]),
    );
    expect(ids(watch.view)).toEqual(['a', 'fine']);
    expect(watch.view?.snapshot.rejected.map(({ ref }) => ref).sort()).toEqual(['a', 'loop', 'own']);
    return guarded.close();
  });

  test('is bounded: instances and rejections', () => {
    const { watch } = watching();
    const rejected = Array.from({ length: 5_000 }, (_, index) => ({ ref: `bad-${index}`, reason: 'bad' }));
    const members = Array.from({ length: 20_010 }, (_, index) => `i-${index}`);
    driver.stream.sink.reading(reading(members, { rejected }));
    expect(watch.view?.snapshot.instances).toHaveLength(20_000);
    expect(watch.view?.snapshot.rejected).toHaveLength(101);
  });

  test('that flaps is marked, stays in the list, and is forgiven', async () => {
    const { watch } = watching();
    driver.stream.sink.reading(reading(['a', 'b', 'c']));
    for (let round = 0; round < 3; round++) {
      await clock.advance(1_000);
      driver.stream.sink.reading(reading(['a', 'b']));
      await clock.advance(1_000);
      driver.stream.sink.reading(reading(['a', 'b', 'c']));
    }
    expect([...(watch.view?.flapping ?? [])]).toEqual(['c']);
    expect(ids(watch.view)).toEqual(['a', 'b', 'c']);
    for (let second = 0; second < 180; second++) {
      await clock.advance(1_000);
      driver.stream.sink.alive();
    }
    expect(watch.view?.flapping.size).toBe(0);
  });
});

test('the status tells what is up', async () => {
  expect(registry.status.isUp).toBeUndefined();
  const { watch } = watching();
  driver.stream.fail(new RegistryError('unavailable', 'down'));
  await clock.advance(1);
  expect(registry.status.isUp).toBe(false);
  await clock.advance(5_000);
  driver.stream.sink.reading(reading(['a']));
  expect(registry.status).toMatchObject({ isUp: true, name: 'fake', watches: [{ key: KEY, state: 'live' }] });
  watch.close();
});
