// A way to a real agent on which one of the two queries over the whole catalog fails, while everything else works.
import { createServer, request as httpRequest, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { describe, expect, onTestFinished, test } from 'vitest';
import { createConsulAdapter } from '../../../../adapters/consul/consul.ts';
import { serviceKey, type Watch } from '../../../../src/registry/types.ts';
import { ConsulProcess, findConsul } from '../../../support/servers/consul.ts';
import { owned } from '../../../support/servers/index.ts';
import { until } from '../../../support/until.ts';

/** Far more than the 88 that can have a query of their own; those go on where the others cannot. */
const SERVICES = 240;
const OWN_QUERIES = 88;
const servers = owned(await findConsul());

describe.each(servers)('Consul $version', (server) => {
  test('one query that fails for ever is told, and asked with a back-off', { timeout: 180_000 }, async () => {
    const consul = await ConsulProcess.start(server);
    onTestFinished(() => consul.close());
    for (let at = 0; at < SERVICES; at += 20) {
      await Promise.all(
        Array.from({ length: 20 }, (_, offset) =>
          consul.call('PUT', '/v1/agent/service/register', record(at + offset, 5)),
        ),
      );
    }
    const front = await Front.start(consul.port);
    front.broken = { path: '/v1/catalog/services', answer: (response) => void response.writeHead(403).end('no') };
    const registry = createConsulAdapter({ address: front.address }, {}, {});
    onTestFinished(() => registry.close());
    const watches = Array.from({ length: SERVICES }, (_, at) => registry.watch(serviceKey(`s${at}`), {}));
    const are = (state: Watch['state']) => (): boolean => watches.every((watch) => watch.state === state);
    const someAre = (state: Watch['state']) => (): Watch | undefined => watches.find((watch) => watch.state === state);
    const errors = (): number => watches.reduce((sum, { stats }) => sum + stats.errors, 0);

    // Nobody is without a list because of it, and whoever cannot be told of changes says so.
    await until('all lists are there', () => watches.every(({ view }) => view?.snapshot.instances.length === 1));
    const denied = await until('some are denied', someAre('denied'));
    expect(denied.lastError).toMatchObject({ kind: 'forbidden' });

    const isBounded = async (): Promise<void> => {
      front.asked.length = 0;
      const from = errors();
      await until('five tries of each', () => errors() - from >= 5 * (SERVICES - OWN_QUERIES));
      const asked = (path: string): number => front.asked.filter((one) => one.startsWith(path)).length;
      expect(asked('/v1/catalog/services')).toBeGreaterThan(1);
      // The two queries are tried as often as if there were one service alone, and a try of the others costs no request.
      expect(asked('/v1/catalog/') + asked('/v1/health/state/')).toBeLessThan(60);
      expect(asked('/v1/agent/')).toBeLessThan(60);
      expect(asked('/v1/health/service/')).toBeLessThan(errors() - from);
    };
    await isBounded();

    front.broken = undefined;
    await until('all are live', are('live'));
    await consul.call('PUT', '/v1/agent/service/register', record(SERVICES - 1, 7));
    await until('a change', () => watches.at(-1)?.view?.snapshot.instances[0]?.weight === 7);

    front.broken = { path: '/v1/health/state/any', answer: (response) => void response.writeHead(503).end('no') };
    const stale = await until('some are stale', someAre('stale'));
    expect(stale.lastError).toMatchObject({ kind: 'unavailable' });
    await isBounded();
    front.broken = undefined;
    await until('all are live again', are('live'));

    const empty = { 'x-consul-index': '' };
    front.broken = {
      path: '/v1/catalog/services',
      answer: (response) => void response.writeHead(200, empty).end('{}'),
    };
    const unread = await until('an answer without index is none', someAre('stale'));
    expect(unread.lastError).toMatchObject({ kind: 'protocol' });
  });
});

function record(at: number, weight: number): object {
  return { ID: `s${at}`, Name: `s${at}`, Address: '10.0.0.1', Port: 80, Weights: { Passing: weight, Warning: weight } };
}

/** An HTTP front of an agent that passes everything on, but for one path. */
class Front {
  broken: { readonly path: string; answer(response: ServerResponse): void } | undefined = undefined;
  readonly asked: string[] = [];
  address = '';

  static async start(port: number): Promise<Front> {
    const front = new Front();
    const server = createServer((request, response) => {
      const { method = '', url = '', headers } = request;
      front.asked.push(url);
      const { broken } = front;
      if (broken !== undefined && url.split('?')[0] === broken.path) {
        broken.answer(response);
        return;
      }
      const on = httpRequest({ host: '127.0.0.1', port, method, path: url, headers }, (answer) => {
        response.writeHead(answer.statusCode ?? 500, answer.headers);
        answer.pipe(response);
      });
      on.on('error', () => response.destroy());
      response.on('close', () => on.destroy());
      request.pipe(on);
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    onTestFinished(() => {
      server.close();
      server.closeAllConnections();
    });
    front.address = `127.0.0.1:${(server.address() as AddressInfo).port}`;
    return front;
  }
}
