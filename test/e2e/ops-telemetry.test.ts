// What a running sidecar tells an operator, where it is easy to tell too much or too little.
import { existsSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { isDeepStrictEqual } from 'node:util';
import { request } from 'undici';
import { describe, expect, it } from 'vitest';
import { startApp } from '../support/apps.ts';
import { startSidecar, temporaryDirectory } from '../support/processes.ts';
import type { RunningSidecar } from '../support/processes.ts';
import { until } from '../support/until.ts';

async function call(sidecar: RunningSidecar, host: string): Promise<number> {
  const { statusCode, body } = await request(`http://127.0.0.1:${sidecar.outbound.port}/`, { headers: { host } });
  await body.dump();
  return statusCode;
}

async function metrics(sidecar: RunningSidecar): Promise<string> {
  const { body } = await request(`http://127.0.0.1:${sidecar.admin.port}/metrics`);
  return body.text();
}

describe('metrics', () => {
  it('have no label that came from a request', async () => {
    const sidecar = await startSidecar({ PILOTFISH_REGISTRY: `file://${temporaryDirectory()}/registry` });
    for (let number = 0; number < 20; number++) expect(await call(sidecar, `stray-${number}`)).toBe(404);
    const text = await metrics(sidecar);
    expect(text).toMatch(/pilotfish_requests_total\{.*upstream="unknown".*\} 20/);
    expect(text).not.toContain('stray');
  });

  it('have names that a linter takes: only counters end in _total', async () => {
    const sidecar = await startSidecar({ PILOTFISH_REGISTRY: 'static' });
    const text = await metrics(sidecar);
    expect(text.match(/^# TYPE \S+_total gauge$/gm)).toBeNull();
    expect(text).toContain('process_resident_memory_bytes');
  });
});

describe('readiness', () => {
  it('comes back after POST /undrain only with the record', async () => {
    const app = await startApp();
    const sidecar = await startSidecar({
      PILOTFISH_REGISTRY: `file://${temporaryDirectory()}/registry`,
      PILOTFISH_SERVICE: 'orders',
      PILOTFISH_APP: `127.0.0.1:${app.port}`,
    });
    const admin = `http://127.0.0.1:${sidecar.admin.port}`;
    const state = async (): Promise<unknown> => {
      const [ready, record] = await Promise.all([request(`${admin}/readyz`), request(`${admin}/registration`)]);
      const { reasons } = (await ready.body.json()) as { reasons: string[] };
      expect(reasons).not.toEqual([]);
      return [ready.statusCode, ((await record.body.json()) as { state: string }).state];
    };
    const becomes = (expected: unknown): Promise<unknown> =>
      until(`the sidecar is ${JSON.stringify(expected)}`, async () => isDeepStrictEqual(await state(), expected));
    await becomes([200, 'registered']);
    await request(`${admin}/drain`, { method: 'POST' });
    await becomes([503, 'gone']);
    const { body } = await request(`${admin}/undrain`, { method: 'POST' });
    expect(await body.json()).toMatchObject({ status: 'not-ready', phase: 'serving' });
    await becomes([200, 'registered']);
  });

  it('does not take a registry for away that says an id is taken', async () => {
    const app = await startApp();
    const env = {
      PILOTFISH_REGISTRY: `file://${temporaryDirectory()}/registry`,
      PILOTFISH_SERVICE: 'orders',
      PILOTFISH_ID: 'same',
      PILOTFISH_APP: `127.0.0.1:${app.port}`,
    };
    const first = await startSidecar(env);
    await until('the first is registered', async () => {
      return (await request(`http://127.0.0.1:${first.admin.port}/readyz`)).statusCode === 200;
    });
    const second = await startSidecar(env);
    const reasons = await until('the second reports a conflict', async () => {
      const { body } = await request(`http://127.0.0.1:${second.admin.port}/readyz`);
      const readiness = (await body.json()) as { reasons: string[] };
      return readiness.reasons.some((reason) => reason.includes('conflict')) ? readiness.reasons : undefined;
    });
    expect(reasons).toEqual([expect.stringMatching(/^registration conflict: id same is held by 127\.0\.0\.1:\d+$/)]);
    expect(await metrics(second)).toContain('pilotfish_registry_up{registry="file"} 1');
  });
});

describe('the log', () => {
  it('shows what happened down to the root cause', async () => {
    const sidecar = await startSidecar({ PILOTFISH_REGISTRY: 'static' }, [
      '-c',
      new URL('../support/unreachable.yaml', import.meta.url).pathname,
    ]);
    expect(await call(sidecar, 'dead')).toBe(502);
    const line = await until('the request is logged', () => sidecar.lines.find((text) => text.includes('"UF,URX"')));
    expect((JSON.parse(line) as { reason: string }).reason).toMatch(/ECONNREFUSED 127\.0\.0\.1:1$/);
  });
});

describe('the access log', () => {
  it('goes on in a new file after it was moved away and SIGHUP', async () => {
    const directory = temporaryDirectory();
    const [file, moved] = [join(directory, 'access.log'), join(directory, 'access.log.1')];
    const config = join(directory, 'pilotfish.yaml');
    writeFileSync(config, `registry: { type: static }\nlog: { file: ${file} }\n`);
    const sidecar = await startSidecar({}, ['-c', config]);
    await call(sidecar, 'first');
    await until('the first line is there', () => readFileSync(file, 'utf8').includes('"authority":"first"'));
    renameSync(file, moved);
    sidecar.child.kill('SIGHUP');
    await until('there is a new file', () => existsSync(file));
    await call(sidecar, 'second');
    await until('the second line is there', () => readFileSync(file, 'utf8').includes('"authority":"second"'));
    expect(readFileSync(moved, 'utf8')).not.toContain('"second"');
    expect(sidecar.child.exitCode).toBeNull();
  });
});
