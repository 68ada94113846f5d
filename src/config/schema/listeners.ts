// `listeners:` and `admin:` the sockets that this process binds.
import { isIP } from 'node:net';
import { z } from 'zod';
import { isHostName } from '../../util/host-name.ts';
import { adminAddress, integer, isLoopback, listenAddress, parseHostPort, readText } from './scalar.ts';

const passthroughHost = readText('host[:port]', 'a host name or an address, with or without :port', (value) => {
  const host = value.toLowerCase();
  return isIP(host) !== 0 || isHostName(host) || parseHostPort(host, 1) !== undefined ? host : undefined;
});

/** `listeners.<name>.limits`: what may be open at the same time; beyond it the answer is 503 `PF_OVERFLOW`, at once. */
const limits = z
  .strictObject({
    connections: integer(1, 1_000_000)
      .default(10_000)
      .describe('Connections of clients. Never more than leave the process half of its file descriptors.'),
    requests: integer(1, 1_000_000)
      .default(10_000)
      .describe('Requests under way, tunnels and streams among them. The own health check is not counted among them.'),
  })
  .prefault({})
  .describe('What may be open at the same time. Beyond it: 503 `PF_OVERFLOW` with `Retry-After`, at once.');

/** `listeners.inbound`: calls to the app arrive here. */
export const inbound = z.strictObject({
  address: listenAddress()
    .optional()
    .describe(
      'Bound only with an own service. Default `0.0.0.0:15006`; with the `file` registry `127.0.0.1:15006`. Port 0: any ' +
        'free one, which is then registered.',
    ),
  limits,
});

/** `listeners.outbound`: the app sends its calls here. */
export const outbound = z.strictObject({
  address: listenAddress()
    .prefault('127.0.0.1:15001')
    .describe('Trap: on any other address than loopback, whoever reaches it can call every service.'),
  passthrough: z
    .array(passthroughHost)
    .prefault([])
    .describe(
      'Hosts outside the registry that are let through, for apps that set `http_proxy`. Prefer `no_proxy` in the app. ' +
        'IP literals and `localhost` are otherwise never looked up (404).',
    ),
  limits,
});

/** `listeners:` whole. */
export const listeners = z
  .strictObject({
    inbound: inbound.prefault({}).describe('Calls to the app.'),
    outbound: outbound.prefault({}).describe('Calls of the app.'),
  })
  .describe('Sockets for traffic.');

/** `admin:` the operator's socket, never shared with traffic. */
export const admin = z
  .strictObject({
    address: adminAddress()
      .refine((address) => address.kind === 'unix' || isLoopback(address.host), {
        error: 'a loopback address or unix:/path (the admin listener has no authentication)',
      })
      .prefault('127.0.0.1:15000')
      .describe('Loopback or `unix:/path` only: there is no authentication, and `POST /quit` ends the process.'),
    probes: listenAddress()
      .optional()
      .describe(
        'Second, read-only listener with `/livez`, `/startupz`, `/readyz` and `/metrics`, for platforms and Prometheus. ' +
          'Default: none.',
      ),
  })
  .describe('Admin listener.');
