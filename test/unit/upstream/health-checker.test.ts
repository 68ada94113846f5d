import { getEventListeners } from 'node:events';
import { createServer } from 'node:http';
import { createServer as createHttp2Server } from 'node:http2';
import { createServer as createTcpServer, Socket } from 'node:net';
import type { AddressInfo, Server } from 'node:net';
import { queryObjects } from 'node:v8';
import { describe, expect, it, onTestFinished, vi } from 'vitest';
import { HealthChecker } from '../../../src/upstream/health-checker.ts';
import { NoVerdict, runProbe } from '../../../src/upstream/health-probe.ts';
import type { HealthProbe, Verdict } from '../../../src/upstream/health-probe.ts';
import { systemClock } from '../../../src/util/clock.ts';
import { closedPort } from '../../support/closed-port.ts';
import { FakeClock } from '../../support/fake-clock.ts';
import { until } from '../../support/until.ts';

async function listening(server: Server): Promise<number> {
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  onTestFinished(() => void server.close());
  return (server.address() as AddressInfo).port;
}

function probe(port: number, what: HealthProbe, timeoutMs = 2_000): Promise<Verdict> {
  return runProbe(systemClock, { host: '127.0.0.1', port, probe: what, timeoutMs }, new AbortController().signal);
}

/** A gRPC server that answers every health check with this status (1 is SERVING), or refuses it. */
function grpcServer(status: number | 'unimplemented') {
  const server = createHttp2Server();
  const asked: Buffer[] = [];
  server.on('stream', (stream) => {
    stream.on('data', (chunk: Buffer) => asked.push(chunk));
    if (status === 'unimplemented') {
      stream.respond({ ':status': 200, 'content-type': 'application/grpc', 'grpc-status': '12' }, { endStream: true });
      return;
    }
    stream.respond({ ':status': 200, 'content-type': 'application/grpc' }, { waitForTrailers: true });
    stream.once('wantTrailers', () => stream.sendTrailers({ 'grpc-status': '0' }));
    stream.end(Buffer.of(0, 0, 0, 0, 2, 8, status));
  });
  return { server, asked };
}

describe('runProbe', () => {
  it('passes where a connection can be opened, and says why where it cannot', async () => {
    const port = await listening(createTcpServer((socket) => socket.destroy()));
    expect(await probe(port, { kind: 'tcp' })).toBeUndefined();
    expect(await probe(await closedPort(), { kind: 'tcp' })).toContain('ECONNREFUSED');
  });

  it('takes 2xx and 3xx of a GET for well, and nothing else', async () => {
    const port = await listening(
      createServer((request, response) => response.writeHead(Number(request.url?.slice(1))).end()),
    );
    const found = await Promise.all(
      [200, 302, 404, 503].map((status) => probe(port, { kind: 'http', path: `/${status}` })),
    );
    expect(found).toEqual([undefined, undefined, expect.stringContaining('404'), expect.stringContaining('503')]);
  });

  it('leaves nothing behind while its checker goes on', async () => {
    const port = await listening(createServer((_request, response) => response.end()));
    const grpcPort = await listening(grpcServer(1).server);
    const { signal } = new AbortController();
    const probes: readonly (readonly [number, HealthProbe])[] = [
      [port, { kind: 'tcp' }],
      [port, { kind: 'http', path: '/' }],
      [grpcPort, { kind: 'grpc', service: '' }],
    ];
    for (const [where, what] of probes) {
      const target = { host: '127.0.0.1', port: where, probe: what, timeoutMs: 2_000 };
      await runProbe(systemClock, target, signal);
      // Collects garbage, and counts.
      const kept = (): number => Number(queryObjects(AbortSignal)) + Number(queryObjects(Socket));
      const before = kept();
      for (let count = 0; count < 40; count++) expect(await runProbe(systemClock, target, signal)).toBeUndefined();
      await until(`${what.kind}: all is collected`, () => kept() < before + 20, { withinMs: 10_000, everyMs: 50 });
    }
    expect(getEventListeners(signal, 'abort')).toEqual([]);
  });

  it('gives no verdict where this process has no descriptor left', async () => {
    const spy = vi.spyOn(Socket.prototype, 'connect').mockImplementation(function (this: Socket) {
      const error = new Error('connect EMFILE 127.0.0.1:80 - Local (undefined:undefined)');
      process.nextTick(() => this.destroy(Object.assign(error, { code: 'EMFILE', syscall: 'connect' })));
      return this;
    });
    onTestFinished(() => spy.mockRestore());
    const probes: readonly HealthProbe[] = [
      { kind: 'tcp' },
      { kind: 'http', path: '/' },
      { kind: 'grpc', service: '' },
    ];
    for (const what of probes) {
      const found = await probe(80, what);
      expect(found).toBeInstanceOf(NoVerdict);
      expect((found as NoVerdict).reason).toContain('EMFILE');
    }
  });

  it('gives up after its timeout when nothing answers', async () => {
    const port = await listening(createServer(() => undefined));
    expect(await probe(port, { kind: 'http', path: '/' }, 50)).toContain('no answer within 50 ms');
  });

  it('believes a gRPC server that says SERVING, and asks for the service by its name', async () => {
    const { server, asked } = grpcServer(1);
    const port = await listening(server);
    expect(await probe(port, { kind: 'grpc', service: 'shop.Orders' })).toBeUndefined();
    expect(Buffer.concat(asked).subarray(7).toString()).toBe('shop.Orders');
  });

  it('does not believe one that says something else, or nothing of the kind', async () => {
    expect(await probe(await listening(grpcServer(2).server), { kind: 'grpc', service: '' })).toContain('not SERVING');
    expect(await probe(await listening(grpcServer('unimplemented').server), { kind: 'grpc', service: '' })).toContain(
      '12',
    );
    expect(await probe(await closedPort(), { kind: 'grpc', service: '' })).toContain('ECONNREFUSED');
  });
});

describe('HealthChecker', () => {
  it('passes at the first success, fails after `fall` failures and rises after `rise`', async () => {
    let status = 200;
    const port = await listening(createServer((_request, response) => response.writeHead(status).end()));
    const states: string[] = [];
    const checker = new HealthChecker(
      systemClock,
      {
        host: '127.0.0.1',
        port,
        probe: { kind: 'http', path: '/' },
        intervalMs: 10,
        timeoutMs: 1_000,
        rise: 2,
        fall: 3,
      },
      (state) => states.push(state),
    );
    onTestFinished(() => checker.stop());
    checker.start();
    await until('it passes', () => checker.state === 'passing');
    status = 500;
    await until('it fails', () => checker.state === 'failing');
    expect(checker.reason).toContain('500');
    status = 200;
    await until('it passes again', () => checker.state === 'passing');
    expect(states).toEqual(['passing', 'failing', 'passing']);
  });

  it('holds nothing against an address that it could not ask, and asks again soon', async () => {
    const clock = new FakeClock();
    const asked: number[] = [];
    let verdict: Verdict = new NoVerdict('connect EMFILE');
    const states: string[] = [];
    const checker = new HealthChecker(
      clock,
      { host: '-', port: 0, probe: { kind: 'tcp' }, intervalMs: 5_000, timeoutMs: 500, rise: 2, fall: 3 },
      (state) => states.push(state),
      () => {
        asked.push(clock.now());
        return Promise.resolve(verdict);
      },
    );
    onTestFinished(() => checker.stop());
    checker.start();
    await clock.advance(1_000);
    expect([checker.state, checker.reason]).toEqual(['unknown', 'connect EMFILE']);
    verdict = undefined;
    await clock.advance(6_000);
    verdict = 'refused';
    const { length } = asked;
    for (let ms = 0; ms < 10_000 && checker.contradicted < 2; ms += 10) await clock.advance(10);
    expect(asked.length).toBe(length + 2);
    verdict = new NoVerdict('connect EMFILE');
    await clock.advance(10_000);
    expect(asked.length).toBeGreaterThan(length + 40);
    expect([checker.contradicted, checker.reason]).toEqual([2, 'refused']);
    verdict = 'refused';
    await clock.advance(250);
    expect(states).toEqual(['passing', 'failing']);
  });

  it('leaves no timer behind when it is stopped', async () => {
    const port = await listening(createServer((_request, response) => response.end()));
    const clock = new FakeClock();
    const checker = new HealthChecker(
      clock,
      {
        host: '127.0.0.1',
        port,
        probe: { kind: 'http', path: '/' },
        intervalMs: 1_000,
        timeoutMs: 500,
        rise: 1,
        fall: 1,
      },
      () => undefined,
    );
    checker.start();
    await until('the next check is due', () => checker.state === 'passing' && clock.timers === 1);
    checker.stop();
    expect(clock.timers).toBe(0);
  });
});
