// T1–T8: the way to the registry; and what only some registries have (F: a disk).
import { inspect } from 'node:util';
import { expect } from 'vitest';
import { openRegistry } from '../../adapters/index.ts';
import { causeChain } from '../../src/errors.ts';
import type { Registry } from '../../src/registry/registry.ts';
import { systemClock, type Clock } from '../../src/util/clock.ts';
import { startActor } from './actor-process.ts';
import { SCALE, throughout, TTL_MS, until, type Case, type ClusterMember } from './harness.ts';
import { namedHost } from './named-host.ts';
import { instance, KEY, networkOf, observe, register, type Observed } from './support.ts';

const ttlMs = TTL_MS;

function shifted(byMs: number): Clock {
  return {
    now: () => systemClock.now(),
    wallMs: () => systemClock.wallMs() + byMs,
    setTimer: (delayMs, callback) => systemClock.setTimer(delayMs, callback),
    random: () => systemClock.random(),
  };
}

export const TRANSPORT_CASES: readonly Case[] = [
  {
    id: 'T1',
    title: 'TLS with a private CA; wrong CA, wrong name, expired: clear error, no storm',
    needs: ['tls'],
    run: async ({ tls }) => {
      const good = await tls?.open('trusted');
      if (tls === undefined || good === undefined) throw new Error('this space has no TLS');
      const seen = observe(good.registry);
      await register(good.registry, instance('a'));
      await seen.until('it is seen', 2_000, () => seen.ids() === 'a');
      await good.registry.close();
      const words = {
        'wrong-ca': /certificate/i,
        'wrong-name': /altnames|IP: 127|host/i,
        expired: /expired/i,
      } as const;
      for (const trust of ['wrong-ca', 'wrong-name', 'expired'] as const) {
        const { registry, network } = await tls.open(trust);
        const { watch } = observe(registry);
        await until('the failure is told', 3_000, () => watch.lastError !== undefined);
        await throughout('it is not live', 3_000, () => watch.state === 'syncing');
        expect(causeChain(watch.lastError)).toMatch(words[trust]);
        expect(watch.lastError?.kind).toBe('unavailable');
        expect(network.accepted).toBeLessThan(15);
        await registry.close();
      }
    },
  },
  {
    id: 'T2',
    title: 'mTLS, files rotated while running',
    needs: ['tls'],
    run: async ({ tls }) => {
      const validMs = 10_000;
      const start = performance.now();
      const mutual = await tls?.openMutual(validMs);
      if (mutual === undefined) throw new Error('this space has no TLS');
      const { registry, network } = mutual;
      const seen = observe(registry);
      const { handle, states } = await register(registry, instance('a'), 20_000);
      await seen.until('it is seen', 2_000, () => seen.ids() === 'a');
      await mutual.rotate();
      await until(
        'the first certificate has expired',
        validMs + 2_000,
        () => performance.now() - start > validMs + 1_000,
      );
      network.reset();
      await until('the loss is noticed', 2_000, () => seen.watch.state === 'stale');
      await until('live with the second one', 6_000, () => seen.watch.state === 'live');
      handle.update({ weight: 7 });
      await seen.until('writing, too', 6_000, () => seen.find('a')?.weight === 7);
      expect(states).not.toContain('lost');
      await registry.close();
    },
  },
  {
    id: 'T3',
    title: 'three-node cluster: leader killed, node in use frozen, majority lost and back',
    needs: ['cluster'],
    run: async ({ cluster }) => {
      if (cluster === undefined) throw new Error('this space has no cluster');
      const { members } = cluster;
      const registry = await cluster.open();
      await cluster.plant(['a', 'b', 'c'].map((id) => instance(id)));
      const seen = observe(registry);
      const { handle, states } = await register(registry, instance('own'), 15_000);
      await seen.until('all are seen', 3_000, () => seen.ids() === 'a,b,c,own');
      const toldBy = async (id: string): Promise<ClusterMember> => {
        const before = members.map(({ network }) => network.answerBytes);
        await cluster.plant([instance(id)]);
        await seen.until('a change is seen', 5_000, () => seen.find(id) !== undefined);
        const told = members.map((member, n) => ({ member, bytes: member.network.answerBytes - (before[n] ?? 0) }));
        return told.reduce((one, other) => (other.bytes > one.bytes ? other : one)).member;
      };

      const leader = await cluster.leader();
      await leader.kill();
      await cluster.plant([instance('d')]);
      await seen.until('seen under the next leader', 5_000, () => seen.find('d') !== undefined);
      await leader.restart();

      const inUse = await toldBy('e');
      await inUse.freeze();
      await cluster.plant([instance('f')]);
      // At most 15 s until the silence is noticed, 4 s until the next try, and 3 s for a call.
      await seen.until('seen by way of another node', 22_000, () => seen.find('f') !== undefined);
      await inUse.thaw();
      await until('all is well', 5_000, () => handle.state === 'registered' && seen.watch.state === 'live');

      // The one in use stays, and has nobody to hear from.
      const last = await toldBy('g');
      const others = members.filter((member) => member !== last);
      await Promise.all(others.map((member) => member.kill()));
      await until('stale without a majority', 15_000, () => seen.watch.state === 'stale');
      await throughout('the list is held', 2_000, () => seen.ids() === 'a,b,c,d,e,f,g,own');
      await Promise.all(others.map((member) => member.restart()));
      await until('live', 5_000, () => seen.watch.state === 'live');
      await until('registered', 5_000, () => handle.state === 'registered');
      await cluster.plant([instance('h')]);
      await seen.until('changes are seen again', 2_000, () => seen.ids() === 'a,b,c,d,e,f,g,h,own');
      expect(states).not.toContain('conflict');
      expect(seen.views.some((view) => view.suspects.size > 0)).toBe(false);
      await registry.close();
    },
  },
  {
    id: 'T4',
    title: 'DNS name changes address',
    needs: ['name', 'network'],
    run: async (space) => {
      const network = networkOf(space);
      if (space.openAt === undefined) throw new Error('this space cannot be opened by a name');
      const nowhere = '127.0.0.99';
      const name = namedHost(nowhere);
      try {
        const registry = await space.openAt(`${name.host}:${network.port}`);
        await space.plant([instance('a')]);
        const seen = observe(registry);
        await until('nobody is found', 5_000, () => seen.watch.lastError !== undefined);
        name.leadsTo('127.0.0.1');
        await seen.until('the new address is found', 15_000, () => seen.ids() === 'a');
        await throughout('it settles', 500, () => seen.watch.state === 'live');
        name.leadsTo(nowhere);
        network.reset();
        await until('nobody is found again', 15_000, () => seen.watch.state === 'stale');
        await space.plant([instance('b')]);
        name.leadsTo('127.0.0.1');
        await seen.until('it goes on', 15_000, () => seen.ids() === 'a,b');
        await registry.close();
      } finally {
        name.forget();
      }
    },
  },
  {
    id: 'T5',
    title: `${SCALE.soakMs / 1_000} s compressed soak: memory and sockets flat`,
    needs: ['processes'],
    run: async (space) => {
      const actor = await startActor(space);
      const registry = await space.open();
      const keys = ['a', 'b', 'c', 'd'].map((service) => ({ ...instance('x').key, service }));
      for (const key of keys) actor.tell({ do: 'watch', key });
      const measures = (): { rssBytes: number; sockets: number }[] =>
        actor.news.filter((news) => news.news === 'measured');
      const churn = async (forMs: number): Promise<void> => {
        const end = performance.now() + forMs;
        for (let round = 0; performance.now() < end; round++) {
          const own = keys.map((key) => instance(`i-${round % 50}`, { key, metadata: { round: String(round) } }));
          await space.plant(own);
          if (round % 2 === 1) for (const gone of own) await space.unplant(gone);
          await new Promise((resolve) => setTimeout(resolve, 5));
        }
        const before = measures().length;
        actor.tell({ do: 'measure' });
        await until('measured', 3_000, () => measures().length > before);
      };
      await churn(SCALE.soakMs / 3);
      await churn((SCALE.soakMs * 2) / 3);
      const [first, last] = measures();
      // Polling ones have a socket for each watch, or none between two polls: what counts is that they do not add up.
      expect(last?.sockets ?? NaN).toBeLessThanOrEqual((first?.sockets ?? NaN) + keys.length);
      expect((last?.rssBytes ?? NaN) - (first?.rssBytes ?? NaN)).toBeLessThan(30 * 1_048_576);
      await actor.kill('SIGKILL');
      await registry.close();
    },
  },
  {
    id: 'T6',
    title: 'no secret in URL, log, error, metric',
    needs: ['credentials', 'network', 'processes'],
    run: async (space) => {
      const { secrets = [] } = space;
      const proxy = networkOf(space);
      proxy.isRecording = true;
      const shown: string[] = [];
      const show = (what: unknown): void => void shown.push(inspect(what, { depth: 12, showHidden: true }));
      const registry = await openRegistry(space.selection, { allowLoopback: true, onEvent: show });
      const seen = observe(registry);
      const { handle } = await register(registry, instance('a'));
      await seen.until('it is seen', 2_000, () => seen.ids() === 'a');
      const tryAll = async (): Promise<void> => {
        const signal = AbortSignal.timeout(5_000);
        const [key] = await registry.list({}, signal).catch((error: unknown) => [error]);
        show([key, await registry.read(KEY, signal).catch((error: unknown) => error)]);
        show(await registry.ping(signal).catch((error: unknown) => error));
        const { watches, registrations } = registry.status; // A registration's handle is more than anybody prints.
        show([watches, registrations.map((own) => [own.instance, own.state, own.lastError])]);
      };
      await tryAll();
      proxy.faults.cutAfterAnswerBytes = 1;
      await tryAll();
      proxy.heal();
      await space.forgetTokens?.();
      await tryAll();
      if (space.renewTokens !== undefined) {
        await until('the refusal is told', ttlMs + 5_000, () => handle.lastError !== undefined);
      }
      const stranger = await space.openWithWrongSecret?.({ onEvent: show });
      show(await stranger?.list({}, AbortSignal.timeout(5_000)).catch((error: unknown) => error));
      await stranger?.close();
      show([handle.lastError, seen.watch.lastError, causeChain(handle.lastError), causeChain(seen.watch.lastError)]);
      await registry.close();
      expect(secrets.length).toBeGreaterThan(0);
      const targets = proxy.recorded.flatMap(
        (bytes) => bytes.toString('latin1').match(/^[A-Z]+ \S+ HTTP\/1\.1/gm) ?? [],
      );
      for (const secret of secrets) {
        const found = [...targets, ...shown].filter((text) => text.includes(secret));
        expect(found.map((text) => text.slice(0, 500))).toEqual([]);
      }
      const actor = await startActor(space);
      actor.tell({ do: 'register', instances: [instance('b')], ttlMs });
      actor.tell({ do: 'watch', key: KEY });
      await actor.hears('it has tried', 5_000, (news) => 'state' in news);
      await actor.kill('SIGTERM');
      for (const secret of secrets) expect(JSON.stringify(actor.news)).not.toContain(secret);
    },
  },
  {
    id: 'T7',
    title: 'clocks ± 1 h apart: no effect',
    needs: [],
    run: async (space) => {
      const theirs = await space.open();
      const seen = observe(theirs);
      const early = await space.open({ clock: shifted(-3_600_000) });
      const late = await space.open({ clock: shifted(3_600_000) });
      const own = [await register(early, instance('early')), await register(late, instance('late', { port: 8081 }))];
      await seen.until('both are seen', 1_000, () => seen.ids() === 'early,late');
      await throughout('both stay', 2.5 * ttlMs, () => seen.ids() === 'early,late');
      expect(own.flatMap(({ states }) => states).filter((state) => state !== 'registered')).toEqual([]);
      await Promise.all([early.close(), late.close(), theirs.close()]);
    },
  },
  {
    id: 'T8',
    title: `${SCALE.sidecars} sidecars after a restart spread ≥ 3 s`,
    needs: ['server', 'network'],
    run: async (space) => {
      const network = networkOf(space);
      await space.plant([instance('a')]);
      const backAtMs: number[] = [];
      const all: { readonly registry: Registry; readonly seen: Observed }[] = [];
      for (let n = 0; n < SCALE.sidecars; n++) {
        let wasLost = false;
        const registry = await space.open({
          ttlMs: 12_000,
          onEvent: (event) => {
            if (event.kind !== 'watch-state') return;
            if (event.state === 'live' && wasLost) backAtMs.push(systemClock.now());
            wasLost = event.state === 'stale';
          },
        });
        const seen = observe(registry);
        all.push({ registry, seen });
        // One after the other: they share this process with other cases, which count milliseconds.
        await seen.until('it is live', 10_000, () => seen.ids() === 'a');
      }
      await throughout('they settle', 1_000, () => backAtMs.length === 0);
      const startMs = systemClock.now();
      network.reset();
      await until('all are back', 15_000, () => backAtMs.length >= SCALE.sidecars);
      const sorted = backAtMs.map((atMs) => atMs - startMs).sort((a, b) => a - b);
      expect((sorted.at(-1) ?? NaN) - (sorted[0] ?? NaN)).toBeGreaterThanOrEqual(3_000);
      for (const { registry } of all) await registry.close();
    },
  },
  {
    id: 'F1',
    title: 'full disk: a state, no crash; what stands goes on, what could not be written is, once there is room',
    needs: ['full-disk'],
    run: async (space) => {
      const registry = await space.open();
      const seen = observe(registry);
      const { handle } = await register(registry, instance('a'));
      await seen.until('seen', 1_000, () => seen.ids() === 'a');
      await space.fillDisk?.();
      const late = registry.register({ instance: instance('b', { metadata: { a: 'x'.repeat(8_000) } }), ttlMs });
      handle.update({ metadata: { b: 'y'.repeat(8_000) } });
      await until('the failure is told', 3_000, () => late.lastError?.kind === 'unavailable');
      await throughout('what stands stays whole', ttlMs / 3, () => seen.ids() === 'a' && late.state === 'pending');
      await space.freeDisk?.();
      await seen.until('both are there', 6_000, () => seen.ids() === 'a,b');
      await seen.until('the change is there', 6_000, () => seen.find('a')?.metadata['b'] !== undefined);
      expect(seen.watch.view?.snapshot.rejected).toEqual([]);
      await registry.close();
    },
  },
];
