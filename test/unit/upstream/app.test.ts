import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { ProxyError } from '../../../src/errors.ts';
import { Body } from '../../../src/http/body.ts';
import { callApp } from '../../../src/resilience/call.ts';
import { App } from '../../../src/upstream/app.ts';
import { DeadlineLists } from '../../../src/util/deadline-list.ts';
import { FakeClock } from '../../support/fake-clock.ts';
import { FakeNetwork, makeRequest, ORDERS, turns } from './fakes.ts';

let clock: FakeClock;
let network: FakeNetwork;
let isUp: boolean;
let app: App;

async function send(method = 'GET'): Promise<number | ProxyError> {
  const request = makeRequest(method, method === 'GET' ? undefined : Body.of(Buffer.from('x')), clock.now());
  const ended = callApp(app, { clock, deadlines: new DeadlineLists(clock) })
    .handle(request)
    .then(
      (response) => response.status,
      (error: unknown) => error as ProxyError,
    );
  await clock.advance(100);
  return ended;
}

beforeEach(() => {
  clock = new FakeClock();
  network = new FakeNetwork(clock);
  isUp = true;
  app = new App({ key: ORDERS, host: '127.0.0.1', port: 3_000, isUp: () => isUp }, clock, network.connect);
});

afterEach(() => {
  app.close();
  expect(network.open.length).toBe(0);
});

describe('the own app', () => {
  it('is called without x-pilotfish-to', async () => {
    network.onSent = (exchange) => exchange.answer();
    expect(await send()).toBe(200);
    expect(network.exchanges[0]?.request.headers.has('x-pilotfish-to')).toBe(false);
  });

  it('is not called while its health check fails: PF_APP_DOWN, at once', async () => {
    isUp = false;
    expect(await send()).toMatchObject({ code: 'PF_APP_DOWN', status: 503 });
    expect(network.dials).toBe(0);
  });

  it('is dialled again when it refuses a connection, and is down when it goes on refusing', async () => {
    network.refusing.add('127.0.0.1:3000');
    const error = await send('POST');
    expect(error).toMatchObject({ code: 'PF_APP_DOWN', status: 503 });
    expect((error as ProxyError).cause).toMatchObject({ code: 'PF_CONNECT_FAILED' });
    expect(network.dials).toBe(3);
  });

  it('is called again on a fresh connection where it had closed the one that was used, if that can be repeated', async () => {
    network.onSent = (exchange) => exchange.answer();
    expect(await send()).toBe(200);
    network.onSent = (exchange) => (exchange.connection.used > 1 ? exchange.reset() : exchange.answer());
    expect(await send()).toBe(200);
    expect(network.connections).toHaveLength(2);
    network.onSent = (exchange) => exchange.reset();
    expect(await send()).toMatchObject({ code: 'PF_UPSTREAM_CLOSED', requestSent: true });
    expect(network.exchanges).toHaveLength(5);
  });

  it('is not called again for anything else', async () => {
    network.onSent = (exchange) => exchange.reset();
    expect(await send()).toMatchObject({ code: 'PF_UPSTREAM_CLOSED', requestSent: true });
    network.onSent = (exchange) => exchange.answer(503, [['x-pilotfish-code', 'PF_DRAINING']]);
    expect(await send()).toBe(503);
    expect(network.exchanges).toHaveLength(2);
  });

  it('is never ejected, and may take as long as it likes', async () => {
    network.onSent = (exchange) => exchange.answer(503);
    for (let i = 0; i < 20; i++) await send();
    network.onSent = undefined;
    const request = makeRequest('GET', undefined, clock.now());
    const ended = callApp(app, { clock, deadlines: new DeadlineLists(clock) }).handle(request);
    await clock.advance(60_000);
    network.exchanges.at(-1)?.answer();
    await turns();
    expect((await ended).status).toBe(200);
    expect(clock.timers).toBeLessThanOrEqual(1);
  });
});
