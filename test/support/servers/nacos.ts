// Real Nacos servers for tests: found, started on free ports with a home of their own, frozen, killed, started again, ended.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { findServers, versionOfImage, type FoundServer, type OwnedServer, type ServerVersion } from './index.ts';
import { ADMIN, NacosApi } from './nacos-api.ts';
import { OwnServer } from './own-server.ts';
import { freePorts, serverDirectory, ServerProcess } from './process.ts';
import type { ServerRun } from './run.ts';

/** How a server is started. */
export interface NacosProcessOptions {
  readonly hasAuth?: boolean;
  readonly tokenSeconds?: number;
}

/** From the HTTP port to gRPC's, and to Raft's. */
export const GRPC_OFFSET = 1_000;
/** Signs tokens; a test server's, of no worth elsewhere. */
const TOKEN_SECRET = Buffer.from('0123456789abcdef0123456789abcdef0123456789abcdef').toString('base64');
const TOKEN_SECONDS = 18_000;
const START_TIMEOUT_MS = 120_000;

/** Every version that is there: `PILOTFISH_TEST_NACOS` (without authentication), official images, the cache. */
export function findNacos(): Promise<ServerVersion[]> {
  const query = {
    name: 'nacos',
    variable: 'PILOTFISH_TEST_NACOS',
    image: 'nacos/nacos-server',
    file: 'ready',
    isOnPath: false,
  };
  return findServers({ ...query, releases: ['2.3'], versionOf });
}

/** A running standalone server that is ours to break. Without data on disk that matter: ephemeral instances are in memory. */
export class NacosProcess extends OwnServer {
  readonly api: NacosApi;

  private constructor(port: number, hasAuth: boolean, run: ServerRun) {
    super(port, run);
    this.api = new NacosApi(this.address, hasAuth);
  }

  /** Starts one; resolves when it answers, and, with `hasAuth`, when its administrator can log in. */
  static async start(found: OwnedServer, options: NacosProcessOptions = {}): Promise<NacosProcess> {
    const [raftPort = 0] = await freePorts([0, 1_000, 2_000, 2_001]);
    const port = raftPort + GRPC_OFFSET;
    const { hasAuth = false } = options;
    const run =
      found.from === 'binary' ? processOf(found.path, port, options) : await containerOf(found.image, port, options);
    const server = await new NacosProcess(port, hasAuth, run).started();
    try {
      if (hasAuth) await server.api.call('POST', 'admin', { password: ADMIN.password }, false);
    } catch (error) {
      await server.close();
      throw error;
    }
    return server;
  }

  get grpcPort(): number {
    return this.port + GRPC_OFFSET;
  }

  /**
   * Starts it where it was killed: it knows nobody, and its users. Resolves when it answers. Tried again: on a busy machine its
   * embedded database may give itself up all the same, and with it the server.
   */
  restart(): Promise<void> {
    const start = (): Promise<void> => this.run.start(() => this.isWell(), START_TIMEOUT_MS);
    return start().catch(start).catch(start);
  }

  private async isWell(): Promise<boolean> {
    const answer = await fetch(`http://${this.address}/nacos/actuator/health`, { signal: AbortSignal.timeout(1_000) });
    return answer.ok;
  }
}

/** @param ready a file beside what build.sh made */
function processOf(ready: string, port: number, options: NacosProcessOptions): ServerRun {
  const { hasAuth = false, tokenSeconds = TOKEN_SECONDS } = options;
  const directory = serverDirectory('nacos');
  const cache = join(ready, '..');
  const args = [
    ...['-Xmx192m', '-XX:+UseSerialGC', '-XX:TieredStopAtLevel=1', '-Djava.net.preferIPv4Stack=true'],
    ...[`-Djava.io.tmpdir=${directory.path}`, `-Dderby.stream.error.file=${directory.path}/derby.log`],
    ...['-Dnacos.standalone=true', '-Dnacos.functionMode=naming', `-Dnacos.home=${directory.path}`],
    ...['-Dnacos.server.ip=127.0.0.1', '-cp'],
    `${cache}/classes:${readFileSync(join(cache, 'cp.txt'), 'utf8').trim()}`,
    ...['harness.NacosMain', `--server.port=${port}`, '--server.address=127.0.0.1'],
    ...[
      `--server.tomcat.basedir=${directory.path}/tomcat`,
      `--spring.config.location=file:${cache}/application.properties`,
    ],
  ];
  const env = variablesOf(hasAuth, tokenSeconds);
  return new ServerProcess({ command: 'java', args, env, cwd: directory.path, directory });
}

/** Clients find gRPC's port by that of HTTP, so both are published at the same distance. */
async function containerOf(image: string, port: number, options: NacosProcessOptions): Promise<ServerRun> {
  const { hasAuth = false, tokenSeconds = TOKEN_SECONDS } = options;
  const memory = { JVM_XMS: '192m', JVM_XMX: '384m', JVM_XMN: '96m' };
  const { ServerContainer } = await import('./container.ts');
  return new ServerContainer({
    image,
    command: [],
    env: { MODE: 'standalone', FUNCTION_MODE: 'naming', ...memory, ...variablesOf(hasAuth, tokenSeconds) },
    ports: [0, GRPC_OFFSET].map((offset) => ({ container: 8_848 + offset, host: port + offset })),
    files: new Map(),
  });
}

/** As the official image calls them; and its embedded database waits for no disk, and is waited for. */
function variablesOf(hasAuth: boolean, tokenSeconds: number): Readonly<Record<string, string>> {
  return {
    JAVA_TOOL_OPTIONS: '-Dderby.system.durability=test',
    DB_POOL_CONFIG_CONNECTIONTIMEOUT: String(START_TIMEOUT_MS),
    NACOS_AUTH_ENABLE: String(hasAuth),
    NACOS_AUTH_TOKEN: TOKEN_SECRET,
    NACOS_AUTH_TOKEN_EXPIRE_SECONDS: String(tokenSeconds),
    NACOS_AUTH_CACHE_ENABLE: 'false',
    NACOS_AUTH_IDENTITY_KEY: 'test',
    NACOS_AUTH_IDENTITY_VALUE: 'test',
  };
}

async function versionOf(found: FoundServer): Promise<string> {
  if (found.from === 'binary') return readFileSync(found.path, 'utf8').trim();
  if (found.from === 'image') return versionOfImage(found.image);
  try {
    const answer = await fetch(`http://${found.address}/nacos/v1/console/server/state`);
    return ((await answer.json()) as { version?: string }).version ?? 'of unknown version';
  } catch {
    return 'of unknown version';
  }
}
