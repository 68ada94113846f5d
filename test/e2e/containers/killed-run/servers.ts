// Starts servers of every kind that is there and a sidecar, tells where they are, and never ends by itself.
import { writeFileSync } from 'node:fs';
import { test } from 'vitest';
import { startSidecar } from '../../../support/processes.ts';
import { EtcdProcess, findEtcd } from '../../../support/servers/etcd.ts';

test('servers run until the run is killed', { timeout: 600_000 }, async () => {
  const servers = await findEtcd();
  const started = ['binary', 'image'].map(async (kind) => {
    const server = servers.map(({ found }) => found).find(({ from }) => from === kind);
    return server === undefined || server.from === 'variable' ? undefined : (await EtcdProcess.start(server)).address;
  });
  const [binary, image] = await Promise.all(started);
  const { admin } = await startSidecar({ PILOTFISH_REGISTRY: 'static' });
  const sidecar = `${admin.host}:${admin.port}`;
  writeFileSync(process.env['KILLED_RUN_TELLS'] ?? '', JSON.stringify({ binary, image, sidecar }));
  await new Promise(() => undefined);
});
