// Nothing that tests start outlives them: a whole run is killed −9 while servers of its own are up.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readFileSync } from 'node:fs';
import { connect } from 'node:net';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, it, onTestFinished } from 'vitest';
import { answeringEngine } from '../../support/engine/engine.ts';
import { temporaryDirectory } from '../../support/processes.ts';
import { findEtcd } from '../../support/servers/etcd.ts';
import { owned } from '../../support/servers/index.ts';
import { until } from '../../support/until.ts';

const ROOT = fileURLToPath(new URL('../../..', import.meta.url));
const CONFIG = 'test/e2e/containers/killed-run/vitest.config.ts';

const hasNone = owned(await findEtcd()).length === 0;

/** Where the servers and the sidecar of the killed run listened; undefined: there was none of that kind. */
interface Told {
  readonly binary?: string;
  readonly image?: string;
  readonly sidecar?: string;
}

it.skipIf(hasNone)(
  'a killed run leaves no server process, no sidecar and no container behind',
  { timeout: 120_000 },
  async () => {
    const engine = await answeringEngine();
    const file = join(temporaryDirectory(), 'told.json');
    const run = spawn(process.execPath, ['node_modules/vitest/vitest.mjs', 'run', '--config', CONFIG], {
      cwd: ROOT,
      env: { ...process.env, KILLED_RUN_TELLS: file },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    onTestFinished(() => void run.kill('SIGKILL'));
    let output = '';
    for (const stream of [run.stdout, run.stderr])
      stream.setEncoding('utf8').on('data', (text: string) => (output += text));
    await until(
      'the servers run',
      () => {
        if (run.exitCode !== null) throw new Error(output);
        return existsSync(file) && readFileSync(file, 'utf8') !== '';
      },
      { withinMs: 60_000 },
    );
    const told = JSON.parse(readFileSync(file, 'utf8')) as Told;
    const addresses = Object.values(told as Record<string, string>);
    expect(addresses.length).toBeGreaterThan(0);
    for (const address of addresses) expect(await answers(address), address).toBe(true);
    const published = (): Promise<string> =>
      typeof engine === 'string' || told.image === undefined
        ? Promise.resolve('')
        : engine.docker.run(['ps', '--all', '--quiet', '--filter', `publish=${told.image.replace(/.*:/, '')}`]);
    if (typeof engine !== 'string' && told.image !== undefined) expect(await published()).not.toBe('');

    const ended = once(run, 'exit');
    run.kill('SIGKILL');
    await ended;
    for (const address of addresses) {
      await until(`nobody listens at ${address}`, async () => !(await answers(address)), { withinMs: 20_000 });
    }
    await until('no container is there', async () => (await published()) === '', { withinMs: 20_000, everyMs: 200 });
  },
);

function answers(address: string): Promise<boolean> {
  const [host = '', port = ''] = address.split(':');
  return new Promise((resolve) => {
    const socket = connect(Number(port), host);
    socket.once('connect', () => {
      socket.destroy();
      resolve(true);
    });
    socket.once('error', () => resolve(false));
  });
}
