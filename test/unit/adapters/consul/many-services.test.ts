// More services than a real agent allows connections to one address: each change is seen, whatever kind it is, by few requests.
import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import { describe, expect, onTestFinished, test } from 'vitest';
import { createConsulAdapter } from '../../../../adapters/consul/consul.ts';
import { serviceKey, type ServiceInstance, type Watch } from '../../../../src/registry/types.ts';
import { ConsulProcess, findConsul } from '../../../support/servers/consul.ts';
import { owned } from '../../../support/servers/index.ts';
import { until } from '../../../support/until.ts';

const SERVICES = 300;
const servers = owned(await findConsul());

describe.each(servers)('Consul $version', (server) => {
  test(`${SERVICES} services are followed within the connections that it allows`, { timeout: 120_000 }, async () => {
    const consul = await ConsulProcess.start(server);
    onTestFinished(() => consul.close());
    await register(consul, SERVICES);
    const registry = createConsulAdapter({ address: consul.address }, { ttlMs: 600 }, {});
    onTestFinished(() => registry.close());
    const watches = Array.from({ length: SERVICES }, (_, at) => registry.watch(serviceKey(`s${at}`), {}));
    const live = (): boolean => watches.every(({ view, state }) => state === 'live' && view !== undefined);
    await until('all lists are there', live, { withinMs: 60_000 });
    expect(watches.flatMap((watch) => only(watch)?.id)).toEqual(Array.from({ length: SERVICES }, (_, at) => `s${at}`));

    const [first, other, last] = [watches[0]!, watches[1]!, watches[SERVICES - 1]!];
    await consul.call('PUT', '/v1/agent/service/register', {
      ...record(SERVICES - 1),
      Weights: { Passing: 7, Warning: 7 },
    });
    await until('a weight', () => only(last)?.weight === 7);
    await consul.call('PUT', '/v1/agent/check/fail/c0');
    await until('a failing check', () => only(first)?.health === 'critical');
    await consul.call('PUT', '/v1/agent/service/register', { ...record(1), ID: 'another', Check: undefined });
    await until('one more instance, without a check', () => other.view?.snapshot.instances.length === 2);
    await consul.call('PUT', '/v1/agent/service/deregister/another');
    await until('one instance less', () => other.view?.snapshot.instances.length === 1);

    // Once all have looked at what changed, nobody is asked who has nothing to tell: two queries wait, for all of them.
    const asked = countRequests();
    await until('few requests in two waits', () => asked.inLastWaits(2) < 10, { withinMs: 60_000 });
    expect(live()).toBe(true);
    expect(watches.reduce((sum, { stats }) => sum + stats.errors, 0)).toBe(0);

    await consul.kill();
    await until('all lists are held', () => watches.every(({ state }) => state === 'stale'), { withinMs: 20_000 });
    expect(watches.every((watch) => only(watch) !== undefined)).toBe(true);
    await consul.restart();
    await until('all are live again', live, { withinMs: 60_000 });
  });
});

function only(watch: Watch): ServiceInstance | undefined {
  return watch.view?.snapshot.instances[0];
}

async function register(consul: ConsulProcess, services: number): Promise<void> {
  for (let at = 0; at < services; at += 20) {
    const some = Array.from({ length: Math.min(20, services - at) }, (_, offset) => record(at + offset));
    await Promise.all(some.map((one) => consul.call('PUT', '/v1/agent/service/register', one)));
  }
}

function record(at: number): object {
  const Check = { CheckID: `c${at}`, TTL: '10m', Status: 'passing' };
  return { ID: `s${at}`, Name: `s${at}`, Address: '10.0.0.1', Port: 80, Check };
}

/** A list that is read without waiting for it, not a look at its index. */
function isWholeList(path: string): boolean {
  return path.startsWith('/v1/health/service/') && !/[?&](?:tag|index)=/.test(path);
}

interface Asked {
  /** Requests but for lists, which fall due once a minute, since so many queries over all checks ago, to the last; Infinity: there were fewer. */
  inLastWaits(waits: number): number;
}

function countRequests(): Asked {
  const paths: string[] = [];
  const listener = (message: unknown): void => void paths.push((message as { request: { path: string } }).request.path);
  subscribe('undici:request:create', listener);
  onTestFinished(() => void unsubscribe('undici:request:create', listener));
  return {
    inLastWaits: (waits) => {
      const begun = paths.flatMap((path, at) => (path.startsWith('/v1/health/state/') ? [at] : []));
      const from = begun.at(-1 - waits);
      return from === undefined
        ? Infinity
        : paths.slice(from, begun.at(-1)).filter((path) => !isWholeList(path)).length;
    },
  };
}
