// The breaker of a running sidecar: when it opens, what callers are told meanwhile, how few asks it takes to close again.
import { request } from 'undici';
import { describe, expect, it } from 'vitest';
import { startApp, type App } from '../support/apps.ts';
import type { RunningSidecar } from '../support/processes.ts';
import { until } from '../support/until.ts';
import { startStatic } from '../support/wire.ts';

interface Answer {
  readonly status: number;
  readonly code: unknown;
  readonly retryAfter: unknown;
}

/** An app that answers with the status that was set last. */
async function startMoody(): Promise<App & { status: number }> {
  const mood = { status: 200 };
  const app = await startApp((_, response) => void response.writeHead(mood.status).end());
  return Object.assign(mood, app);
}

async function call(sidecar: RunningSidecar, method: 'GET' | 'POST' = 'GET'): Promise<Answer> {
  const { statusCode, headers, body } = await request(`http://127.0.0.1:${sidecar.outbound.port}/`, {
    method,
    headers: { host: 'orders' },
  });
  await body.dump();
  return { status: statusCode, code: headers['x-pilotfish-code'], retryAfter: headers['retry-after'] };
}

async function ask(sidecar: RunningSidecar, path: string): Promise<string> {
  const { body } = await request(`http://127.0.0.1:${sidecar.admin.port}${path}`);
  return body.text();
}

/** As `/upstreams` has it. */
async function state(sidecar: RunningSidecar): Promise<string | undefined> {
  const { upstreams } = JSON.parse(await ask(sidecar, '/upstreams')) as {
    upstreams: { breaker?: { state: string } }[];
  };
  return upstreams[0]?.breaker?.state;
}

async function calls(sidecar: RunningSidecar, count: number, method: 'GET' | 'POST' = 'GET'): Promise<number[]> {
  const statuses: number[] = [];
  for (let call_ = 0; call_ < count; call_++) statuses.push((await call(sidecar, method)).status);
  return statuses;
}

describe('the breaker of an upstream', () => {
  it('opens on a run of failures, refuses without asking anybody, and closes by a single good probe', async () => {
    const app = await startMoody();
    const sidecar = await startStatic({ orders: [app.port] }, { breaker: { consecutiveFailures: 5, open: '4s' } });
    app.status = 500;
    expect(await calls(sidecar, 5)).toEqual([500, 500, 500, 500, 500]);
    const refused = await call(sidecar);
    expect(refused).toMatchObject({ status: 503, code: 'PF_BREAKER_OPEN' });
    expect(['4', '5']).toContain(refused.retryAfter); // with up to a quarter by chance
    expect(app.requests).toHaveLength(5);
    expect(await state(sidecar)).toBe('open');
    expect(await ask(sidecar, '/metrics')).toMatch(/pilotfish_breaker_state\{[^}]*upstream="orders"[^}]*\} 2/);
    const explained = JSON.parse(await ask(sidecar, '/explain?host=orders')) as { outcome: unknown };
    expect(explained.outcome).toMatchObject({ kind: 'refused', code: 'PF_BREAKER_OPEN' });
    expect(sidecar.lines.some((line) => line.includes('"msg":"breaker open"'))).toBe(true);

    app.status = 200;
    await until('a probe has passed', async () => (await call(sidecar)).status === 200);
    expect(app.requests).toHaveLength(6);
    expect(await calls(sidecar, 10)).toEqual(Array<number>(10).fill(200));
    expect(await state(sidecar)).toBe('closed');
  });

  it('asks one at a time whether it is over, and refuses the rest', async () => {
    const app = await startMoody();
    const sidecar = await startStatic(
      { orders: [app.port] },
      { breaker: { consecutiveFailures: 5, open: '250ms', maxOpen: '250ms' } },
    );
    app.status = 500;
    await calls(sidecar, 5);
    const answers = await until('some probes have failed', async () => {
      const all = await Promise.all(Array.from({ length: 20 }, () => call(sidecar)));
      return app.requests.length >= 8 ? all : undefined;
    });
    expect(answers.filter(({ status }) => status === 500).length).toBeLessThanOrEqual(1);
  });

  it('opens on the error ratio where what fails may pass by itself, and not before there are enough requests', async () => {
    const app = await startMoody();
    const breaker = {
      consecutiveFailures: 5,
      errorRatio: 0.5,
      minRequests: 20,
      window: '60s',
      open: '60s',
      maxOpen: '60s',
    };
    const sidecar = await startStatic({ orders: [app.port] }, { breaker, retry: { attempts: 1 } });
    expect(await calls(sidecar, 9)).toEqual(Array<number>(9).fill(200));
    app.status = 503;
    expect(await calls(sidecar, 11)).toEqual(Array<number>(11).fill(503));
    expect(await call(sidecar)).toMatchObject({ code: 'PF_BREAKER_OPEN' });
    expect(app.requests).toHaveLength(20);
  });

  it('does not mind what the app says of the request', async () => {
    const app = await startMoody();
    const breaker = { consecutiveFailures: 5, errorRatio: 0.1, minRequests: 5 };
    const sidecar = await startStatic({ orders: [app.port] }, { breaker });
    for (const status of [400, 401, 404, 409, 429]) {
      app.status = status;
      expect(await calls(sidecar, 8)).toEqual(Array<number>(8).fill(status));
    }
    expect(await state(sidecar)).toBe('closed');
  });
});
