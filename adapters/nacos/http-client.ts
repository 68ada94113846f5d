// How Nacos' HTTP port is reached: for the login, and by the `http` driver.
import { readFileSync } from 'node:fs';
import { Agent, buildConnector } from 'undici';
import { RegistryError } from '../../src/registry/types.ts';
import type { NacosEndpoint, NacosSettings, NacosTls } from './options.ts';

const CONNECT_TIMEOUT_MS = 3_000;
const ANSWER_TIMEOUT_MS = 5_000;
const MAX_CONNECTIONS = 8;

/** Connections of its own, with bounds; closed by whoever made it. Certificate files are read at each connection. */
export function dispatcherFor(tls: NacosTls | undefined): Agent {
  return new Agent({
    connections: MAX_CONNECTIONS,
    headersTimeout: ANSWER_TIMEOUT_MS,
    bodyTimeout: ANSWER_TIMEOUT_MS,
    connect: (options, callback) => {
      try {
        buildConnector({ timeout: CONNECT_TIMEOUT_MS, ...(tls === undefined ? {} : tlsFrom(tls)) })(options, callback);
      } catch (error) {
        callback(error as Error, null);
      }
    },
  });
}

/** `http://host:8848/nacos`. */
export function baseUrl(endpoint: NacosEndpoint, settings: NacosSettings): string {
  const host = endpoint.host.includes(':') ? `[${endpoint.host}]` : endpoint.host;
  return `${settings.tls === undefined ? 'http' : 'https'}://${host}:${endpoint.port}${settings.contextPath}`;
}

function tlsFrom({ ca, cert, key, serverName }: NacosTls): Record<string, unknown> {
  return {
    ...(ca === undefined ? {} : { ca: read(ca) }),
    ...(cert === undefined ? {} : { cert: read(cert) }),
    ...(key === undefined ? {} : { key: read(key) }),
    ...(serverName === undefined ? {} : { servername: serverName }),
  };
}

function read(path: string): Buffer {
  try {
    return readFileSync(path);
  } catch (error) {
    throw new RegistryError('unavailable', `nacos: cannot read ${path}`, { cause: error });
  }
}
