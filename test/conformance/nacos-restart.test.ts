// What only Nacos does: a server that was killed comes back with nobody, and says so to everybody. On a server of its own, in
// the full form of the suite alone: two starts of a Java process.
import { expect, test } from 'vitest';
import { createNacosAdapter } from '../../adapters/nacos/nacos.ts';
import { owned } from '../support/servers/index.ts';
import { ADMIN } from '../support/servers/nacos-api.ts';
import { findNacos, NacosProcess } from '../support/servers/nacos.ts';
import { SCALE, throughout, until } from './harness.ts';
import { NacosPlanter } from './nacos-planter.ts';
import { instance, observe, register } from './support.ts';

const servers = SCALE.isFull ? owned(await findNacos()) : [];

for (const { found, version } of servers) {
  test(
    `Nacos ${version}: killed −9 and frozen: no empty list, own record back ≤ 5 s`,
    { timeout: 180_000 },
    async () => {
      const server = await NacosProcess.start(found, { hasAuth: true });
      const options = { endpoints: [server.address], ...ADMIN };
      const planter = new NacosPlanter(options);
      const registry = createNacosAdapter(options, { allowLoopback: true }, {});
      try {
        await planter.plant([instance('x'), instance('y')]);
        const { handle, states } = await register(registry, instance('me'), 6_000);
        const seen = observe(registry);
        await until('all are listed', 5_000, () => seen.ids() === 'me,x,y');
        const viewsBefore = seen.views.length;

        await server.kill();
        await until('stale', 15_000, () => seen.watch.state === 'stale');
        await server.restart();
        planter.close(); // The others do not come back.
        await until('own record back', 5_000, () => handle.state === 'registered');
        await until('live', 5_000, () => seen.watch.state === 'live');
        await until('who is missing is suspect', 15_000, () => seen.watch.view?.suspects.size === 2);
        expect(seen.ids()).toBe('me,x,y');

        const statesBefore = states.length;
        await server.freeze();
        await until('stale', 15_000, () => seen.watch.state === 'stale');
        await throughout('held', 1_000, () => seen.ids() === 'me,x,y');
        await server.thaw();
        await until('live', 5_000, () => seen.watch.state === 'live');
        await until('registered', 5_000, () => handle.state === 'registered');
        expect(states.slice(statesBefore)).not.toContain('conflict');
        expect(seen.views.slice(viewsBefore).filter((view) => view.snapshot.instances.length < 3)).toEqual([]);
      } finally {
        planter.close();
        await registry.close();
        await server.close();
      }
    },
  );
}

test.skipIf(servers.length > 0)('Nacos killed and frozen', (context) => {
  context.skip(SCALE.isFull ? 'no Nacos here that is ours to break' : 'only in npm run conformance');
});
