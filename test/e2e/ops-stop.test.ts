// What a stop does to requests that do not end in time, and what the log says of them.
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { request } from 'undici';
import { describe, expect, it } from 'vitest';
import { startApp } from '../support/apps.ts';
import { startSidecar, temporaryDirectory } from '../support/processes.ts';
import { openRaw } from '../support/raw.ts';
import { until } from '../support/until.ts';

describe('a stop', () => {
  it('answers with Connection: close while it settles, so that no caller sends on a connection that is about to end', async () => {
    const app = await startApp();
    const directory = temporaryDirectory();
    const file = join(directory, 'pilotfish.yaml');
    writeFileSync(file, 'drain: { settle: 20s }\n');
    const sidecar = await startSidecar(
      {
        PILOTFISH_REGISTRY: `file://${directory}/registry`,
        PILOTFISH_SERVICE: 'orders',
        PILOTFISH_APP: `127.0.0.1:${app.port}`,
      },
      ['-c', file],
    );
    const ready = async (): Promise<{ statusCode: number; phase: unknown }> => {
      const { statusCode, body } = await request(`http://127.0.0.1:${sidecar.admin.port}/readyz`);
      return { statusCode, phase: ((await body.json()) as { phase?: unknown }).phase };
    };
    await until('the sidecar is ready', async () => (await ready()).statusCode === 200);
    const connection = await openRaw(sidecar.inbound?.port ?? 0);
    const { socket, closed } = connection;
    socket.write('GET /kept HTTP/1.1\r\nHost: orders\r\n\r\n');
    await until('an answer', () => connection.received().includes('"GET"'));
    expect(connection.received()).not.toMatch(/connection: close/i);
    sidecar.child.kill('SIGTERM');
    await until('it settles', async () => (await ready()).phase === 'settling');
    const caller = await openRaw(sidecar.inbound?.port ?? 0);
    caller.socket.write('GET /called HTTP/1.1\r\nHost: orders\r\nX-Pilotfish-To: orders\r\n\r\n');
    await caller.closed;
    caller.socket.destroy();
    expect(caller.received()).toMatch(/^HTTP\/1\.1 200 /); // Another sidecar that has not seen yet that we go.
    socket.write('POST /last HTTP/1.1\r\nHost: orders\r\nContent-Length: 0\r\n\r\n');
    await closed;
    socket.destroy();
    const [, last = ''] = connection.received().split('"GET"');
    expect(last).toMatch(/HTTP\/1\.1 200 [^]*connection: close/i);
    expect((await ready()).phase).toBe('settling');
    expect(app.requests).toEqual(expect.arrayContaining(['GET /kept', 'POST /last']));
  });

  it('gives up what is in flight at drain.timeout, and does not hold it against the client', async () => {
    const app = await startApp(() => undefined);
    const directory = temporaryDirectory();
    const file = join(directory, 'pilotfish.yaml');
    writeFileSync(file, 'drain: { settle: 10ms, timeout: 700ms }\n');
    const sidecar = await startSidecar(
      {
        PILOTFISH_REGISTRY: `file://${directory}/registry`,
        PILOTFISH_SERVICE: 'orders',
        PILOTFISH_APP: `127.0.0.1:${app.port}`,
      },
      ['-c', file],
    );
    await until('the sidecar is ready', async () => {
      return (await request(`http://127.0.0.1:${sidecar.admin.port}/readyz`)).statusCode === 200;
    });
    const answer = request(`http://127.0.0.1:${sidecar.inbound?.port ?? 0}/never`).catch((error: unknown) => error);
    await until('the app has the request', () => app.requests.includes('GET /never'));
    sidecar.child.kill('SIGTERM');
    expect(await sidecar.exited).toBe(0);
    expect(await answer).toBeInstanceOf(Error);
    const line = sidecar.lines.find((text) => text.includes('"path":"/never"')) ?? '{}';
    expect(JSON.parse(line)).toMatchObject({ status: 503, flags: 'DR', code: 'PF_DRAINING' });
  });
});
