// What an operator can ask a running sidecar: why an endpoint is not picked, what would become of a request, what was decided last.
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { request } from 'undici';
import { describe, expect, it } from 'vitest';
import { startApp } from '../support/apps.ts';
import { closedPort } from '../support/closed-port.ts';
import { startSidecar, temporaryDirectory } from '../support/processes.ts';
import type { RunningSidecar } from '../support/processes.ts';
import { until } from '../support/until.ts';

interface Explained {
  readonly outcome: {
    readonly kind: string;
    readonly to?: string;
    readonly code?: string;
    readonly reason?: string;
    readonly cause?: string;
    readonly insteadOf?: { readonly code: string };
  };
  readonly pick?: {
    readonly how: string;
    readonly shares: readonly { readonly address: string; readonly share: number }[];
  };
  readonly retry?: { readonly rule: string; readonly budgetLeft: number };
  readonly upstream?: { readonly name: string; readonly endpoints: readonly Record<string, unknown>[] };
  readonly decisions?: readonly Record<string, unknown>[];
}

async function startCaller(addresses: readonly string[], upstream = '{}'): Promise<RunningSidecar> {
  const file = join(temporaryDirectory(), 'pilotfish.yaml');
  writeFileSync(
    file,
    `registry: { type: static, static: { orders: [${addresses.join(', ')}] } }\nupstreams: { orders: ${upstream} }\n`,
  );
  return startSidecar({}, ['-c', file]);
}

async function explain(sidecar: RunningSidecar, query: string): Promise<Explained> {
  const { statusCode, body } = await request(`http://127.0.0.1:${sidecar.admin.port}/explain?${query}`);
  expect(statusCode).toBe(200);
  return (await body.json()) as Explained;
}

async function call(sidecar: RunningSidecar): Promise<number> {
  const { statusCode, body } = await request(`http://127.0.0.1:${sidecar.outbound.port}/`, {
    headers: { host: 'orders' },
  });
  await body.dump();
  return statusCode;
}

describe('GET /explain', () => {
  it('says where a request would go, and sends nothing', async () => {
    const app = await startApp();
    const address = `127.0.0.1:${app.port}`;
    const sidecar = await startCaller([address]);
    const explained = await explain(sidecar, 'host=ORDERS.pilotfish:15001&path=/v1/../7&method=POST');
    expect(explained).toMatchObject({
      request: { method: 'POST', authority: 'orders.pilotfish:15001', path: '/7' },
      outcome: { kind: 'sent', to: address },
      pick: { shares: [{ address, share: 1 }] },
      upstream: { name: 'orders', endpoints: [{ address, state: 'available', inFlight: 0 }] },
    });
    expect(explained.retry?.rule).toContain('POST may not be executed twice');
    expect(app.requests).toEqual([]);
    const again = await explain(sidecar, 'host=orders');
    expect(again.upstream).toMatchObject({ attempts: { success: 0 }, endpoints: [{ connections: { open: 0 } }] });
  });

  it.each([
    ['host=10.0.0.1', 'PF_NO_ROUTE'],
    ['host=orders&path=/a%252Fb', 'PF_BAD_REQUEST'],
    ['host=a%20b', 'PF_BAD_REQUEST'],
    ['host=orders&method=TRACE', 'PF_BAD_REQUEST'],
  ])('says what would be refused: %s', async (query, code) => {
    const sidecar = await startCaller(['127.0.0.1:9']);
    const { outcome } = await explain(sidecar, query);
    expect(outcome).toMatchObject({ kind: 'refused', code });
  });

  it('a service that nobody has called is not looked up', async () => {
    const sidecar = await startCaller(['127.0.0.1:9']);
    expect((await explain(sidecar, 'host=payments')).outcome.kind).toBe('waits');
    const { body } = await request(`http://127.0.0.1:${sidecar.admin.port}/upstreams`);
    const { upstreams } = (await body.json()) as { upstreams: { name: string }[] };
    expect(upstreams.map(({ name }) => name)).toEqual(['orders']);
  });

  it('tells who was ejected, why, since when, and how it comes back', async () => {
    const app = await startApp();
    const [well, dead] = [`127.0.0.1:${app.port}`, `127.0.0.1:${await closedPort()}`];
    const sidecar = await startCaller([well, dead], '{ balancer: round-robin }');
    const find = async () => {
      const { upstream, pick } = await explain(sidecar, 'host=orders');
      return { endpoint: upstream?.endpoints.find(({ address }) => address === dead), pick };
    };
    await until('the dead one is ejected', async () => {
      expect(await call(sidecar)).toBe(200);
      return (await find()).endpoint?.['state'] === 'ejected';
    });
    const { endpoint, pick } = await find();
    expect(pick?.shares).toEqual([{ address: well, share: 1 }]);
    expect(endpoint?.['why']).toContain('ejected');
    expect(endpoint?.['back']).toContain('a connection can be opened');
    expect(endpoint?.['stateForMs']).toBeGreaterThanOrEqual(0);
    const { decisions = [] } = await explain(sidecar, 'last=100');
    expect(decisions).toContainEqual(
      expect.objectContaining({ upstream: 'orders', kind: 'endpoint', endpoint: dead, state: 'ejected' }),
    );
    // Each failed attempt was tried again, elsewhere.
    expect(decisions).toContainEqual(
      expect.objectContaining({ kind: 'attempt', endpoint: dead, outcome: 'connect-failed' }),
    );
    expect(decisions).toContainEqual(expect.objectContaining({ kind: 'pick', endpoint: well, attempt: 2 }));
  });

  it('says that a limit is reached, and what a fallback would do then', async () => {
    const app = await startApp(() => undefined);
    const address = `127.0.0.1:${app.port}`;
    const limits = 'limits: { requests: 1 }';
    const refusing = await startCaller([address], `{ ${limits} }`);
    const helped = await startCaller(
      [address],
      `{ ${limits}, fallback: { on: [overflow], answer: { status: 200, body: later } } }`,
    );
    for (const sidecar of [refusing, helped]) {
      expect((await explain(sidecar, 'host=orders')).outcome).toMatchObject({ kind: 'sent', to: address });
      const controller = new AbortController();
      const held = request(`http://127.0.0.1:${sidecar.outbound.port}/`, {
        headers: { host: 'orders' },
        signal: controller.signal,
      }).catch(() => undefined);
      const kind = sidecar === refusing ? 'refused' : 'fallback';
      const { outcome } = await until('the only place is taken', async () => {
        const explained = await explain(sidecar, 'host=orders');
        return explained.outcome.kind === kind ? explained : undefined;
      });
      if (sidecar === refusing) expect(outcome).toMatchObject({ code: 'PF_OVERFLOW' });
      else expect(outcome).toMatchObject({ to: 'answer 200', cause: 'overflow', insteadOf: { code: 'PF_OVERFLOW' } });
      controller.abort();
      await held;
    }
  });

  it('tells why a failed request was not tried again', async () => {
    const app = await startApp((_, response) => void response.writeHead(503).end());
    const sidecar = await startCaller([`127.0.0.1:${app.port}`]);
    const { statusCode, body } = await request(`http://127.0.0.1:${sidecar.outbound.port}/`, {
      method: 'POST',
      headers: { host: 'orders' },
    });
    await body.dump();
    expect(statusCode).toBe(503);
    const { decisions = [] } = await explain(sidecar, 'last=20');
    expect(decisions).toContainEqual(expect.objectContaining({ kind: 'no-retry', why: 'policy', requests: 1 }));
  });

  it('a rotation goes on as if nobody had asked', async () => {
    const apps = await Promise.all([startApp(), startApp(), startApp()]);
    const sidecar = await startCaller(
      apps.map(({ port }) => `127.0.0.1:${port}`),
      '{ balancer: round-robin }',
    );
    for (let round = 0; round < 4; round++) {
      for (let turn = 0; turn < 3; turn++) {
        await call(sidecar);
        await explain(sidecar, 'host=orders');
      }
      expect(apps.map(({ requests }) => requests.length)).toEqual([round + 1, round + 1, round + 1]);
    }
  });
});
