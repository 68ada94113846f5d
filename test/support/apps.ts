// Small real HTTP servers that stand behind sidecars in tests, in the test's own process or in one of their own.
import { createServer } from 'node:http';
import type { IncomingMessage, RequestListener, Server, ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { onTestFinished } from 'vitest';
import { startNode } from './processes.ts';
import type { Running } from './processes.ts';
import { until } from './until.ts';

/** An app in this process. */
export interface App {
  readonly port: number;
  readonly server: Server;
  /** Method and target of every request, in order. */
  readonly requests: string[];
}

/** Serves until the test ends. By default answers 200 with what it got, as JSON. */
export async function startApp(
  answer: RequestListener = echo,
  configure: (server: Server) => void = () => undefined,
): Promise<App> {
  const requests: string[] = [];
  const server = createServer((request, response) => {
    requests.push(`${request.method ?? ''} ${request.url ?? ''}`);
    answer(request, response);
  });
  configure(server);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  onTestFinished(() => {
    server.closeAllConnections();
    server.close();
  });
  return { port: (server.address() as AddressInfo).port, server, requests };
}

/** Reads the whole body, then answers 200 with method, url, headers and body. */
export function echo(request: IncomingMessage, response: ServerResponse): void {
  const chunks: Buffer[] = [];
  request.on('data', (chunk: Buffer) => chunks.push(chunk));
  request.once('end', () => {
    const { method, url, headers } = request;
    const body = JSON.stringify({ method, url, headers, body: Buffer.concat(chunks).toString('utf8') });
    response.writeHead(200, { 'content-type': 'application/json', 'content-length': Buffer.byteLength(body) });
    response.end(body);
  });
}

const APP_SOURCE = `
  const name = process.argv[1];
  let slow = 0;
  const server = require('node:http').createServer((request, response) => {
    const isSlow = request.url === '/slow';
    if (isSlow) slow++;
    const answer = () => {
      response.setHeader('content-type', 'text/plain');
      response.end(request.url === '/executed' ? String(slow) : name);
    };
    request.resume().once('end', () => (isSlow ? setTimeout(answer, Number(process.env.SLOW_MS || 0)) : answer()));
  });
  const keepAliveMs = Number(process.env.KEEP_ALIVE_MS || 0);
  if (keepAliveMs > 0) server.keepAliveTimeout = keepAliveMs;
  server.listen(0, '127.0.0.1', () => console.log(JSON.stringify({ port: server.address().port })));
  process.stdin.resume().once('end', () => process.exit(0));
`;

/**
 * An app in a process of its own, which can be killed: answers every request with its name; `/slow` after SLOW_MS, and
 * `/executed` with how often that was asked for.
 */
export interface AppProcess extends Running {
  readonly port: number;
  readonly name: string;
}

export async function startAppProcess(name: string, env: Readonly<Record<string, string>> = {}): Promise<AppProcess> {
  const running = startNode(['-e', APP_SOURCE, name], env);
  const port = await until(`${name} listens`, () => {
    const line = running.lines.find((text) => text.startsWith('{'));
    return line === undefined ? undefined : (JSON.parse(line) as { port: number }).port;
  });
  return { ...running, port, name };
}
