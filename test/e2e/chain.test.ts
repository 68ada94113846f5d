// A chain of sidecars: what one of them repeats must not be repeated by the next one once more.
import { writeFileSync } from 'node:fs';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { join } from 'node:path';
import { request } from 'undici';
import { describe, expect, it } from 'vitest';
import { startApp, type App } from '../support/apps.ts';
import { startSidecar, temporaryDirectory, type RunningSidecar } from '../support/processes.ts';
import { adminJson } from '../support/topology.ts';
import { until } from '../support/until.ts';

const PASSED_ON = ['x-request-attempt', 'x-request-timeout-ms'] as const;
/** Default of `timeout.attempt`. */
const ATTEMPT_MS = 5_000;

/** A sidecar on the registry in `directory`; with an app it is one of its service's instances. */
function sidecarIn(directory: string, service?: string, app?: App): Promise<RunningSidecar> {
  const own = service === undefined ? {} : { PILOTFISH_SERVICE: service, PILOTFISH_APP: `127.0.0.1:${app?.port}` };
  const file = join(temporaryDirectory(), 'pilotfish.yaml');
  writeFileSync(file, 'upstreams: { orders: {}, payments: {} }');
  return startSidecar({ PILOTFISH_REGISTRY: `file://${directory}`, ...own }, ['-c', file]);
}

async function call(sidecar: RunningSidecar, service: string, headers: Readonly<Record<string, string>> = {}) {
  const { statusCode, body } = await request(`http://127.0.0.1:${sidecar.outbound.port}/`, {
    headers: { host: service, ...headers },
  });
  await body.dump();
  return statusCode;
}

interface Chain {
  readonly caller: RunningSidecar;
  /** Fields of each request that an instance of `payments` got. */
  readonly paid: readonly IncomingMessage['headers'][];
}

/**
 * caller → two instances of `orders`, which call `payments` → two of these, each of which answers 503.
 * @param passedOn fields that `orders` takes over from what it was called with
 */
async function startChain(passedOn: readonly string[]): Promise<Chain> {
  const directory = temporaryDirectory();
  const paid: IncomingMessage['headers'][] = [];
  for (let copy = 0; copy < 2; copy++) {
    const payments = await startApp((asked, response) => {
      paid.push(asked.headers);
      response.writeHead(503).end();
    });
    await sidecarIn(directory, 'payments', payments);
    let own: RunningSidecar | undefined = undefined;
    const onOrder = async ({ headers }: IncomingMessage, response: ServerResponse): Promise<void> => {
      const taken = passedOn.map((name): [string, string] => [name, String(headers[name])]);
      if (own === undefined) response.writeHead(500).end();
      else response.writeHead(await call(own, 'payments', Object.fromEntries(taken))).end();
    };
    const orders = await startApp((asked, response) => void onOrder(asked, response));
    own = await sidecarIn(directory, 'orders', orders);
  }
  const caller = await sidecarIn(directory);
  const endpoints = async (): Promise<object[]> => {
    const { upstreams } = (await adminJson(caller, '/upstreams')) as { upstreams: { endpoints: object[] }[] };
    return upstreams.flatMap((upstream) => upstream.endpoints);
  };
  await until('both services are registered', async () => (await endpoints()).length === 4);
  return { caller, paid };
}

describe('two sidecars in a row that retry', () => {
  it('add one for each further attempt of the first one, where the app passes the fields on', async () => {
    const { caller, paid } = await startChain(PASSED_ON);
    expect(await call(caller, 'orders')).toBe(503);
    const attempts = paid.map((headers) => headers['x-request-attempt']);
    expect(attempts).toEqual(['1', '2', '3', '2', '3']);
    const left = paid.map((headers) => Number(headers['x-request-timeout-ms']));
    expect(left.filter((ms) => !(ms > 0 && ms <= ATTEMPT_MS))).toEqual([]);
  });

  it('multiply where it does not', async () => {
    const { caller, paid } = await startChain([]);
    expect(await call(caller, 'orders')).toBe(503);
    expect(paid).toHaveLength(9);
  });
});
