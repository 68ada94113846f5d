// What a running sidecar tells an operator, where it is easy to tell too much or too little.
import { request } from 'undici';
import { describe, expect, it } from 'vitest';
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
