// The image and the sample topologies of deploy/, in real containers: broken by hand under load, nobody notices.
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest';
import { ComposeProject, findCompose } from '../../support/engine/compose.ts';
import { findEngine, type Engine } from '../../support/engine/engine.ts';
import { ensureImages } from '../../support/engine/images.ts';
import { SteadyLoad } from '../../support/load.ts';
import { reportMissing } from '../../support/missing.ts';
import { until } from '../../support/until.ts';

const NODE_IMAGE = 'node:22-bookworm-slim';
const SIDECAR_IMAGE = 'pilotfish:local';
/** Their health checks begin 10 s after they start. */
const SIDECARS = ['orders-1-sidecar', 'orders-2-sidecar', 'shop-sidecar'] as const;
/** Registries with a server, and its image: of several versions the first that is to be had, then named by a variable. */
const REGISTRIES = [
  { name: 'etcd', images: ['quay.io/coreos/etcd:v3.6.16'], variable: undefined },
  { name: 'consul', images: ['hashicorp/consul:1.20.5'], variable: undefined },
  {
    name: 'nacos',
    images: ['nacos/nacos-server:v2.5.1', 'nacos/nacos-server:v2.3.2'],
    variable: 'NACOS_VERSION',
  },
] as const;
const PER_SECOND = 40;
/** Bounds, not what it takes: a topology until it runs, and all that is broken in it. */
const TEST_MS = 240_000;
const IMAGES_MS = 900_000;
/** The whole image: node itself is two thirds of it. */
const MAX_IMAGE_BYTES = 200_000_000;

const engine: Engine | undefined = await findEngine();
const compose = engine === undefined ? undefined : await findCompose();
const isRequired = process.env['PILOTFISH_REQUIRE_ENGINE'] === '1';
if (engine !== undefined && compose === undefined) {
  reportMissing('docker compose', 'neither `docker compose` nor `docker-compose`', isRequired);
}
let missing: ReadonlyMap<string, string> = new Map();

function fileOf(name: string): string {
  return fileURLToPath(new URL(`../../../deploy/compose/${name}.yaml`, import.meta.url));
}

/** What the first lines of the file say, on a free port. */
async function up(
  name: string,
  environment: Readonly<Record<string, string>> = {},
): Promise<{ readonly project: ComposeProject; readonly port: number }> {
  const project = new ComposeProject(engine!.docker, compose!, fileOf(name), { PILOTFISH_PORT: '', ...environment });
  onTestFinished(() => project.down(), TEST_MS);
  await project.up();
  const port = await project.published('shop', 15006);
  await answersOf(port, ['orders-1', 'orders-2']);
  return { project, port };
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
    { withinMs: 60_000, everyMs: 50 },
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

describe.skipIf(engine === undefined || compose === undefined)('in containers', () => {
  beforeAll(async () => {
    missing = await ensureImages(engine!, [NODE_IMAGE, ...REGISTRIES.flatMap(({ images }) => images)]);
    const reason = missing.get(NODE_IMAGE);
    if (reason !== undefined) throw new Error(`${NODE_IMAGE}, which all is built on: ${reason} (npm run servers)`);
    await new ComposeProject(engine!.docker, compose!, fileOf('file')).build();
  }, IMAGES_MS);
  afterAll(() => engine!.close(), TEST_MS);

  it(
    'copies, sidecars and their services die and come back on a shared directory, and no call fails',
    async () => {
      const { project, port } = await up('file');

      // SIGTERM drains: the calls go elsewhere, then the process ends well, long before it would be killed.
      await broken(port, ['orders-2'], () => project.call('stop', 'orders-1-sidecar'));
      expect((await project.facts('orders-1-sidecar')).State).toMatchObject({ Running: false, ExitCode: 0 });
      await broken(port, ['orders-1', 'orders-2'], () => project.call('start', 'orders-1-sidecar'));

      await broken(port, ['orders-1'], () => project.call('kill', 'orders-2-sidecar'));
      await broken(port, ['orders-1', 'orders-2'], () => project.call('start', 'orders-2-sidecar'));

      // With the service its network goes, so that the sidecar is cut off from everybody.
      await broken(port, ['orders-2'], () => project.call('kill', 'orders-1'));
      await broken(port, ['orders-1', 'orders-2'], () => project.call('restart', 'orders-1', 'orders-1-sidecar'));
    },
    TEST_MS,
  );

  it(
    'the image is one user without rights, nothing to write to, nothing to run but node',
    async () => {
      const { project } = await up('file');
      await project.healthy(...SIDECARS);
      const { Config, HostConfig } = await project.facts('orders-1-sidecar');
      expect([HostConfig.ReadonlyRootfs, Config.User]).toEqual([true, '1000:1000']);
      expect(Config.Healthcheck?.Test).toEqual(['CMD', 'node', '/app/dist/bin/pilotfish.js', 'status', '--startup']);
      const script = `
        const fs = require('node:fs');
        const attempt = (path) => { try { fs.writeFileSync(path, ''); return 'written'; } catch (error) { return error.code; } };
        const status = fs.readFileSync('/proc/1/status', 'latin1');
        console.log(JSON.stringify({
          uid: process.getuid(), root: attempt('/app/x'), tmp: attempt('/tmp/x'),
          capabilities: /CapEff:\\s*(\\S+)/.exec(status)[1], first: fs.readFileSync('/proc/1/cmdline', 'latin1').split('\\0')[0],
          programs: ['/bin', '/usr/bin', '/usr/local/bin'].flatMap((path) => fs.existsSync(path) ? fs.readdirSync(path) : []),
          build: ['typescript', 'npm', 'testcontainers'].filter((name) => fs.existsSync('/app/node_modules/' + name)),
        }))`;
      expect(JSON.parse(await project.exec('orders-1-sidecar', 'node', '-e', script))).toEqual({
        uid: 1000,
        root: 'EROFS',
        tmp: 'EROFS',
        capabilities: '0000000000000000',
        first: 'node',
        programs: ['node'],
        build: [],
      });
      const size = Number(await engine!.docker.run(['image', 'inspect', '--format', '{{.Size}}', SIDECAR_IMAGE]));
      console.log(`${SIDECAR_IMAGE}: ${(size / 1e6).toFixed(0)} MB`);
      expect(size).toBeLessThan(MAX_IMAGE_BYTES);
    },
    TEST_MS,
  );

  it.for(REGISTRIES)(
    '$name is killed, copies and sidecars die meanwhile, and it comes back: no call fails',
    { timeout: TEST_MS },
    async ({ name, images, variable }, { skip }) => {
      const image = images.find((one) => !missing.has(one));
      if (image === undefined) {
        const reason = missing.get(images[0]) ?? '';
        reportMissing(`image ${images.join(' or ')}`, reason, isRequired);
        return skip(reason);
      }
      const version = image.slice(image.lastIndexOf(':') + 1);
      const { project, port } = await up(name, variable === undefined ? {} : { [variable]: version });
      await broken(port, ['orders-1', 'orders-2'], () => project.call('kill', name));
      await broken(port, ['orders-1'], () => project.call('kill', 'orders-2'));
      await broken(port, ['orders-1'], () => project.call('start', name));
      await broken(port, ['orders-1', 'orders-2'], () => project.call('restart', 'orders-2', 'orders-2-sidecar'));
      await broken(port, ['orders-2'], () => project.call('kill', 'orders-1-sidecar'));
      await broken(port, ['orders-1', 'orders-2'], () => project.call('start', 'orders-1-sidecar'));
    },
  );
});
