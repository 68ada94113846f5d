// W1–W16: what a watch must see, and what it must never believe.
import { expect } from 'vitest';
import { serviceKey } from '../../src/registry/types.ts';
import { startActor } from './actor-process.ts';
import { SCALE, throughout, TTL_MS, until, type Case } from './harness.ts';
import { instance, KEY, lagOf, observe, register, networkOf } from './support.ts';

const ttlMs = TTL_MS;

export const WATCH_CASES: readonly Case[] = [
  {
    id: 'W1',
    title: 'first list, then add, change, remove ≤ 1 s',
    needs: [],
    run: async (space) => {
      const [mine, theirs] = [await space.open(), await space.open()];
      // So many that the two who leave are no mass drop, also where a poll misses that the first one said so.
      await space.plant(['a', 'b', 'd', 'e'].map((id) => instance(id)));
      const seen = observe(theirs);
      await seen.until('first list', 1_000, () => seen.ids() === 'a,b,d,e');
      const { handle } = await register(mine, instance('c'));
      await seen.until('added', 1_000, () => seen.ids() === 'a,b,c,d,e');
      handle.update({ tags: ['new'] });
      await seen.until('changed', 1_000, () => seen.find('c')?.tags[0] === 'new');
      await handle.deregister({ deadlineMs: 5_000 });
      await seen.until('removed', 1_000, () => seen.ids() === 'a,b,d,e');
      await space.unplant(instance('b'));
      await seen.until('removed by an operator', 1_000, () => seen.ids() === 'a,d,e');
      await Promise.all([mine.close(), theirs.close()]);
    },
  },
  {
    id: 'W2',
    title: 'registry away and back: no empty list, changes made meanwhile seen',
    needs: [],
    run: async (space) => {
      const registry = await space.open();
      await space.plant([instance('a'), instance('b'), instance('c')]);
      const seen = observe(registry);
      await seen.until('first list', 1_000, () => seen.ids() === 'a,b,c');
      await space.breakDown();
      await until('stale', 15_000, () => seen.watch.state === 'stale');
      expect(seen.watch.stalenessMs).toBeGreaterThan(0);
      await space.repair();
      await space.plant([instance('d')]);
      await space.unplant(instance('a'));
      await seen.until('the changes are seen', 6_000, () => seen.ids() === 'b,c,d');
      expect(seen.views.some((view) => view.snapshot.instances.length === 0)).toBe(false);
      await registry.close();
    },
  },
  {
    id: 'W3',
    title: 'compaction, index reset, reconnect: history that is forgotten is read anew',
    needs: ['compaction', 'network'],
    run: async (space) => {
      const network = networkOf(space);
      await space.plant([instance('a'), instance('b')]);
      const registry = await space.open();
      network.faults.requestDelayMs = 700; // Between the list and the watch that goes on from there.
      const seen = observe(registry);
      await seen.until('first list', 6_000, () => seen.ids() === 'a,b');
      await space.plant([instance('c')]);
      await space.compact?.();
      network.heal();
      await seen.until('what came in the gap is seen', 6_000, () => seen.ids() === 'a,b,c');
      network.faults.isRefusing = true;
      network.reset();
      await until('stale', 5_000, () => seen.watch.state === 'stale');
      await space.plant([instance('d')]);
      await space.unplant(instance('a'));
      await space.compact?.();
      network.heal();
      await seen.until('what came meanwhile is seen', 6_000, () => seen.ids() === 'b,c,d');
      await space.compact?.();
      await space.plant([instance('e')]);
      await seen.until('a compaction disturbs nobody', 2_000, () => seen.ids() === 'b,c,d,e');
      expect(seen.views.some((view) => view.snapshot.instances.length < 2)).toBe(false);
      await registry.close();
    },
  },
  {
    id: 'W4',
    title: 'wiped or restored: held, then replaced',
    needs: [],
    run: async (space) => {
      const registry = await space.open();
      await space.plant([instance('a'), instance('b'), instance('c')]);
      const seen = observe(registry);
      await seen.until('first list', 1_000, () => seen.ids() === 'a,b,c');
      await space.wipe();
      await throughout('the list is held', 1_500, () => seen.ids() === 'a,b,c');
      await space.plant([instance('d'), instance('e')]);
      await seen.until('the new ones are there at once', 2_000, () => seen.ids() === 'a,b,c,d,e');
      await seen.until('the old ones are suspects', 12_000, () => seen.watch.view?.suspects.size === 3);
      for (const id of ['a', 'b', 'c']) seen.watch.probeFailed(id);
      await until('replaced', 1_000, () => seen.ids() === 'd,e');
      await registry.close();
    },
  },
  {
    id: 'W5',
    title: 'truly last instance leaving: empty after confirmation; an outage: never empty',
    needs: [],
    run: async (space) => {
      const registry = await space.open({ guard: { emptyConfirmMs: 3_000 } });
      await space.plant([instance('a')]);
      const seen = observe(registry);
      await seen.until('first list', 1_000, () => seen.ids() === 'a');
      await space.breakDown();
      await throughout('held', 3_000, () => seen.ids() === 'a');
      await space.repair();
      await until('live', 6_000, () => seen.watch.state === 'live');
      await space.unplant(instance('a'));
      await throughout('not believed at once', 1_000, () => seen.ids() === 'a' && seen.watch.view?.suspects.size === 0);
      await seen.until('confirmed', 5_000, () => seen.watch.view?.suspects.has('a') === true);
      seen.watch.probeFailed('a');
      await until('empty', 500, () => seen.ids() === '');
      const { handle } = await register(registry, instance('b'));
      await seen.until('seen', 1_000, () => seen.ids() === 'b');
      const lag = lagOf(registry); // Who polls must have the time to read that it is leaving.
      await handle.deregister({ deadlineMs: 2_000 + 2 * lag, settleMs: 200 + lag });
      await seen.until('one that said so leaves at once', 900, () => seen.ids() === '');
      await registry.close();
    },
  },
  {
    id: 'W6',
    title: 'rights missing at start or revoked later: denied, list held',
    needs: ['rights', 'processes'],
    run: async (space) => {
      await space.forbid?.(KEY);
      const actor = await startActor(space);
      const isIt = (state: string) => (news: object) => 'state' in news && 'service' in news && news.state === state;
      actor.tell({ do: 'watch', key: KEY });
      await actor.hears('denied', 5_000, isIt('denied'));
      await space.plant([instance('a')]);
      await space.allow?.(KEY);
      await actor.hears('live', 6_000, isIt('live'));
      const ids = (): string =>
        actor.news.flatMap((news) => (news.news === 'view' ? [news.ids.join()] : [])).at(-1) ?? '-';
      expect(ids()).toBe('a');
      const denials = (): number => actor.news.filter(isIt('denied')).length;
      const before = denials();
      await space.forbid?.(KEY);
      await until('denied again', 15_000, () => denials() > before);
      await throughout('held', 1_000, () => ids() === 'a');
      await actor.kill('SIGKILL');
    },
  },
  {
    id: 'W7',
    title: 'broken records of others: rejected, the rest served',
    needs: [],
    run: async (space) => {
      const registry = await space.open();
      const seen = observe(registry);
      await register(registry, instance('good'));
      const broken = await space.plantBroken(KEY);
      await seen.until('rejected', 3_000, () => seen.watch.view?.snapshot.rejected.length === broken);
      expect(seen.ids()).toBe('good');
      expect(seen.watch.view?.snapshot.rejected.every(({ reason }) => reason !== '')).toBe(true);
      await space.plant([instance('late')]);
      await seen.until('the rest is served', 1_000, () => seen.ids() === 'good,late');
      await registry.close();
    },
  },
  {
    id: 'W8',
    title: `${SCALE.instances} instances in one service${SCALE.isFull ? ' (> 4 MiB)' : ''}, ${SCALE.services} services`,
    needs: [],
    run: async (space) => {
      const metadata = { payload: 'x'.repeat(800) };
      const many = Array.from({ length: SCALE.instances }, (_, n) => instance(`i-${n}`, { metadata }));
      await space.plant(many);
      const keys = Array.from({ length: SCALE.services }, (_, n) => serviceKey(`s-${n}`));
      await space.plant(keys.flatMap((key) => ['a', 'b'].map((id) => instance(id, { key }))));
      const registry = await space.open();
      const big = observe(registry);
      await big.until('the large list', 10_000, () => big.watch.view?.snapshot.instances.length === SCALE.instances);
      const small = keys.map((key) => observe(registry, key));
      await until('all small lists', 10_000, () => small.every((seen) => seen.ids() === 'a,b'));
      await space.plant([instance('i-0', { weight: 1 })]);
      await big.until('one change among many', 2_000, () => big.find('i-0')?.weight === 1);
      expect((await registry.list({}, AbortSignal.timeout(10_000))).length).toBe(SCALE.services + 1);
      await registry.close();
    },
  },
  {
    id: 'W9',
    title: 'slow registry (2 s an answer, 10 kB/s): registered, watched, never stale',
    needs: ['network'],
    run: async (space) => {
      const faults = networkOf(space).faults;
      faults.answerDelayMs = 2_000;
      faults.answerBytesPerSecond = 10_000;
      const registry = await space.open();
      const seen = observe(registry);
      const { states } = await register(registry, instance('a'), 12_000);
      await seen.until('it is seen', 10_000, () => seen.ids() === 'a');
      await space.plant([instance('b')]);
      await seen.until('a change is seen', 8_000, () => seen.ids() === 'a,b');
      await throughout('all is well', SCALE.isFull ? 25_000 : 8_000, () => seen.watch.state === 'live');
      // An acknowledgement takes half of its interval, and is still in time.
      expect(states.filter((state) => state !== 'registered')).toEqual([]);
      await registry.close();
    },
  },
  {
    id: 'W10',
    title: 'partition without FIN: stale ≤ 15 s, live ≤ 5 s after healing, missed changes seen',
    needs: ['network'],
    run: async (space) => {
      const proxy = networkOf(space);
      const registry = await space.open();
      await space.plant([instance('a'), instance('b'), instance('c')]);
      const seen = observe(registry);
      await seen.until('first list', 2_000, () => seen.ids() === 'a,b,c');
      proxy.blackHole();
      await until('stale', 15_000, () => seen.watch.state === 'stale');
      await space.plant([instance('d')]);
      await space.unplant(instance('a'));
      expect(seen.ids()).toBe('a,b,c');
      proxy.heal();
      await until('live', 5_000, () => seen.watch.state === 'live');
      await seen.until('the missed changes are seen', 1_000, () => seen.ids() === 'b,c,d');
      await registry.close();
    },
  },
  {
    id: 'W11',
    title: `50 flaps/s for ${SCALE.flapMs / 1_000} s: coalesced, final state right`,
    needs: [],
    run: async (space) => {
      const registry = await space.open();
      await space.plant([instance('a'), instance('b'), instance('c')]);
      const seen = observe(registry);
      await seen.until('first list', 1_000, () => seen.ids() === 'a,b,c');
      const start = performance.now();
      let flaps = 0;
      while (performance.now() - start < SCALE.flapMs) {
        await space.unplant(instance('c'));
        await space.plant([instance('c', { weight: flaps % 1_000 })]);
        flaps++;
        await new Promise((resolve) => setTimeout(resolve, 15));
      }
      await space.plant([instance('c', { weight: 1_000 })]);
      await seen.until('the final state', 2_000, () => seen.find('c')?.weight === 1_000 && seen.ids() === 'a,b,c');
      expect(seen.views.length).toBeLessThanOrEqual(((performance.now() - start) / 1_000 + 1) * 50);
      await registry.close();
    },
  },
  {
    id: 'W12',
    title: 'a throwing listener is counted and loses nobody’s data',
    needs: [],
    run: async (space) => {
      const registry = await space.open();
      const thrower = registry.watch(KEY, {
        onView: () => {
          throw new Error('a bug of the consumer');
        },
      });
      const seen = observe(registry);
      for (const id of ['a', 'b', 'c']) {
        await space.plant([instance(id)]);
        await seen.until('seen', 1_000, () => seen.find(id) !== undefined);
      }
      expect(thrower.stats.listenerErrors).toBeGreaterThanOrEqual(3);
      expect(thrower.view).toBe(seen.watch.view);
      await registry.close();
    },
  },
  {
    id: 'W13',
    title: 'two watches of one service share a stream',
    needs: [],
    run: async (space) => {
      const registry = await space.open();
      const first = observe(registry);
      await space.plant([instance('a')]);
      await first.until('the first sees it', 1_000, () => first.ids() === 'a');
      const second = observe(registry);
      await until('the second has it at once', 100, () => second.views.length === 1);
      expect(registry.status.watches).toHaveLength(1);
      expect(second.watch.view).toBe(first.watch.view);
      first.watch.close();
      const before = first.views.length;
      await space.plant([instance('b')]);
      await second.until('the second goes on', 1_000, () => second.ids() === 'a,b');
      expect(first.views).toHaveLength(before);
      second.watch.close();
      expect(registry.status.watches).toHaveLength(0);
      await registry.close();
    },
  },
  {
    id: 'W14',
    title: 'close while connecting or down: nothing left open, the process ends',
    needs: ['processes'],
    run: async (space) => {
      for (const isDown of [false, true]) {
        const actor = await startActor(space);
        if (isDown) await space.breakDown();
        for (const name of ['x', 'y', 'z']) actor.tell({ do: 'watch', key: serviceKey(name) });
        actor.tell({ do: 'register', instances: [instance('a')], ttlMs });
        actor.tell({ do: 'close' });
        await until('the process ends', 3_000, () => actor.process.exitCode !== null);
        expect(actor.process.exitCode).toBe(0);
      }
      await space.repair();
    },
  },
  {
    id: 'W15',
    title: 'one denied watch blocks no other',
    needs: ['rights', 'processes'],
    run: async (space) => {
      const secret = serviceKey('secret');
      await space.forbid?.(secret);
      await space.plant([instance('a')]);
      await space.allow?.(KEY);
      const actor = await startActor(space);
      for (const key of [secret, KEY]) actor.tell({ do: 'watch', key });
      await actor.hears('denied', 5_000, (news) => news.news === 'watch' && news.state === 'denied');
      await actor.hears(
        'live',
        5_000,
        (news) => news.news === 'view' && news.service === 'orders' && news.ids[0] === 'a',
      );
      await actor.kill('SIGKILL');
    },
  },
  {
    id: 'W16',
    title: 'unsolicited frames and datagrams change nothing',
    needs: ['network'],
    run: async (space) => {
      const proxy = networkOf(space);
      const registry = await space.open();
      await space.plant([instance('a'), instance('b')]);
      const seen = observe(registry);
      await seen.until('first list', 2_000, () => seen.ids() === 'a,b');
      const forged = 'HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n[]';
      const unsolicited = [
        Buffer.from(forged),
        Buffer.from('\0\0\0\x04\0\0\0\0\x01', 'latin1'),
        Buffer.alloc(100_000, 'x'),
      ];
      for (const bytes of unsolicited) {
        proxy.inject(bytes);
        await throughout('nothing has changed', 700, () => seen.ids() === 'a,b');
        await until('live', 6_000, () => seen.watch.state === 'live');
      }
      await space.plant([instance('c')]);
      // By then, a connection that the frames have broken in silence is noticed, too.
      await seen.until('the truth is still heard', 20_000, () => seen.ids() === 'a,b,c');
      await registry.close();
    },
  },
];
