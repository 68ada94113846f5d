// The image and the sample topologies of deploy/, in real containers: broken by hand under load, nobody notices.
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest';
import { findEngine, type Engine } from '../../support/engine/engine.ts';
import { etcdImage, NODE_IMAGE, nodeImage, sidecarImage } from '../../support/engine/images.ts';
import { Topology } from '../../support/engine/topology.ts';
import { SteadyLoad } from '../../support/load.ts';
import { until } from '../../support/until.ts';

const IMAGE = 'pilotfish:local';
const TEST_IMAGE = 'pilotfish-test/pilotfish:local';
const ETCD_IMAGE = 'quay.io/coreos/etcd:v3.6.16';
const SIDECARS = ['orders-1-sidecar', 'orders-2-sidecar', 'shop-sidecar'] as const;
const PER_SECOND = 40;
/** Until a topology runs, and for each thing that is broken: bounds, not what it takes. */
const TEST_MS = 90_000;
const BUILD_MS = 600_000;

const engine: Engine | undefined = await findEngine();
const hasEtcd = engine !== undefined && (await etcdImage(engine, ETCD_IMAGE));
let images: Readonly<Record<string, string>> = {};

/** What `deploy/compose` says, with the images that there are. */
async function up(name: string): Promise<{ readonly topology: Topology; readonly port: number }> {
  const file = fileURLToPath(new URL(`../../../deploy/compose/${name}.yaml`, import.meta.url));
  const topology = await Topology.up(engine!.docker, file, { images, healthEvery: '1s' });
  onTestFinished(() => topology.close());
  await topology.healthy(...SIDECARS);
  const { port } = await topology.published('shop', 15006);
  await answersOf(port, ['orders-1', 'orders-2']);
  return { topology, port };
}

/** Calls the shop until every copy of `orders`, and no other one, has answered in a row of ten. */
async function answersOf(port: number, copies: readonly string[]): Promise<void> {
  let last: string[] = [];
  await until(
    `answers come from ${copies.join(' and ')}`,
    async () => {
      const answer = await fetch(`http://127.0.0.1:${port}/`).catch((error: unknown) => new Response(String(error)));
      last = [...last, (await answer.text()).trim()].slice(-10);
      return (
        last.length === 10 && [...new Set(last)].sort().join() === copies.map((copy) => `answered by ${copy}`).join()
      );
    },
    { withinMs: 30_000, everyMs: 50 },
  ).catch((error: unknown) => {
    throw new Error(`${String(error)}; the last answers: ${last.join(', ')}`);
  });
}

/** Breaks something under load, and waits until only `copies` answer. Nothing may fail meanwhile. */
async function broken(port: number, copies: readonly string[], breaks: () => Promise<void>): Promise<void> {
  const load = new SteadyLoad(port, 'shop', PER_SECOND, 'PUT');
  try {
    await breaks();
    await answersOf(port, copies);
  } finally {
    const { sent, failures } = await load.stop();
    expect(failures).toEqual([]);
    expect(sent).toBeGreaterThan(0);
  }
}

describe.skipIf(engine === undefined)('in containers', () => {
  beforeAll(async () => {
    const node = await nodeImage(engine!);
    await sidecarImage(engine!, node, TEST_IMAGE);
    images = { [IMAGE]: TEST_IMAGE, [NODE_IMAGE]: node };
  }, BUILD_MS);
  afterAll(() => engine!.close(), TEST_MS);

  it(
    'copies, sidecars and their services die and come back on a shared directory, and no call fails',
    async () => {
      const { topology, port } = await up('file');

      // The image: one user without rights, nothing to write to, nothing to run but node.
      const facts = await topology.facts('orders-1-sidecar');
      expect([facts.HostConfig.ReadonlyRootfs, facts.Config.User]).toEqual([true, '1000:1000']);
      const script = `
        const fs = require('node:fs');
        const attempt = (path) => { try { fs.writeFileSync(path, ''); return 'written'; } catch (error) { return error.code; } };
        const status = fs.readFileSync('/proc/1/status', 'latin1');
        console.log(JSON.stringify({
          uid: process.getuid(), root: attempt('/app/x'), tmp: attempt('/tmp/x'),
          capabilities: /CapEff:\\s*(\\S+)/.exec(status)[1], first: fs.readFileSync('/proc/1/cmdline', 'latin1').split('\\0')[0],
          programs: ['/bin', '/usr/bin', '/usr/local/bin'].flatMap((path) => fs.existsSync(path) ? fs.readdirSync(path) : []),
          build: fs.existsSync('/app/node_modules/typescript'),
        }))`;
      expect(JSON.parse(await topology.exec('orders-1-sidecar', 'node', '-e', script))).toEqual({
        uid: 1000,
        root: 'EROFS',
        tmp: 'EROFS',
        capabilities: '0000000000000000',
        first: 'node',
        programs: ['node'],
        build: false,
      });

      // SIGTERM drains: the calls go elsewhere, then the process ends well, long before it would be killed.
      await broken(port, ['orders-2'], () => topology.call('stop', 'orders-1-sidecar'));
      expect((await topology.facts('orders-1-sidecar')).State).toMatchObject({ Running: false, ExitCode: 0 });
      await broken(port, ['orders-1', 'orders-2'], () => topology.call('start', 'orders-1-sidecar'));

      await broken(port, ['orders-1'], () => topology.call('kill', 'orders-2-sidecar'));
      await broken(port, ['orders-1', 'orders-2'], () => topology.call('start', 'orders-2-sidecar'));

      // With the service its network goes, so that the sidecar is cut off from everybody.
      await broken(port, ['orders-2'], () => topology.call('kill', 'orders-1'));
      await broken(port, ['orders-1', 'orders-2'], () => topology.call('restart', 'orders-1', 'orders-1-sidecar'));
    },
    TEST_MS,
  );

  it.skipIf(!hasEtcd)(
    'the registry itself is killed, copies die meanwhile, and it comes back: no call fails',
    async () => {
      const { topology, port } = await up('etcd');
      await broken(port, ['orders-1', 'orders-2'], () => topology.call('kill', 'etcd'));
      await broken(port, ['orders-1'], () => topology.call('kill', 'orders-2'));
      await broken(port, ['orders-1'], () => topology.call('start', 'etcd'));
      await broken(port, ['orders-1', 'orders-2'], () => topology.call('restart', 'orders-2', 'orders-2-sidecar'));
    },
    TEST_MS,
  );
});
