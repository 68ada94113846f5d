// Endpoints that stand out: most of their answers are well, and they are left out nevertheless.
import type { RequestListener } from 'node:http';
import { request } from 'undici';
import { describe, expect, it } from 'vitest';
import { startApp } from '../support/apps.ts';
import type { RunningSidecar } from '../support/processes.ts';
import { until } from '../support/until.ts';
import { startStatic } from '../support/wire.ts';

interface Seen {
  readonly address: string;
  readonly state: string;
  readonly why: string;
}

async function endpoints(sidecar: RunningSidecar): Promise<readonly Seen[]> {
  const { body } = await request(`http://127.0.0.1:${sidecar.admin.port}/upstreams`);
  const { upstreams } = (await body.json()) as { upstreams: { endpoints: Seen[] }[] };
  return upstreams[0]?.endpoints ?? [];
}

/** Ten at a time, until one of the endpoints is ejected. */
async function callUntilEjected(sidecar: RunningSidecar): Promise<Seen> {
  return until('one is ejected', async () => {
    await Promise.all(
      Array.from({ length: 10 }, async () => {
        const { body } = await request(`http://127.0.0.1:${sidecar.outbound.port}/`, { headers: { host: 'orders' } });
        await body.dump();
      }),
    );
    return (await endpoints(sidecar)).find(({ state }) => state === 'ejected');
  });
}

const well: RequestListener = (_, response) => void response.end('well');

/** Every other answer is a 500: there is never a run of them. */
function halfFailing(): RequestListener {
  let answers = 0;
  return (_, response) => void response.writeHead(++answers % 2 === 0 ? 500 : 200).end();
}

describe('an endpoint is ejected', () => {
  it.each([true, false])('whose share of failures stands out (immediate: %s)', async (immediate) => {
    const [bad, ...good] = await Promise.all([startApp(halfFailing()), startApp(well), startApp(well), startApp(well)]);
    const sidecar = await startStatic(
      { orders: [bad, ...good].map(({ port }) => port) },
      {
        balancer: 'round-robin',
        outlier: { interval: '1s', baseEjection: '60s', successRate: { immediate, minRequests: 10 } },
      },
    );
    const ejected = await callUntilEjected(sidecar);
    expect(ejected.address).toBe(`127.0.0.1:${bad.port}`);
    expect(ejected.why).toMatch(/ejected for .* s more, (after )?\d+ (% )?of /);
    const before = bad.requests.length;
    await request(`http://127.0.0.1:${sidecar.outbound.port}/`, { headers: { host: 'orders' } }).then(({ body }) =>
      body.dump(),
    );
    expect(bad.requests.length).toBe(before);
  });

  it('that is far slower than the others', async () => {
    const slow: RequestListener = (_, response) => void setTimeout(() => response.end('late'), 60);
    const [bad, ...good] = await Promise.all([startApp(slow), startApp(well), startApp(well)]);
    const sidecar = await startStatic(
      { orders: [bad, ...good].map(({ port }) => port) },
      {
        balancer: 'round-robin',
        outlier: { interval: '1s', baseEjection: '60s', latency: { minRequests: 5, factor: 3, minDifference: '30ms' } },
      },
    );
    const ejected = await callUntilEjected(sidecar);
    expect(ejected.address).toBe(`127.0.0.1:${bad.port}`);
    expect(ejected.why).toContain('ms at the others');
  });
});
