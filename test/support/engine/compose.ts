// A compose file of deploy/ as its first lines tell to run it, in real containers, to be broken by hand; gone with the test.
import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { until } from '../until.ts';
import type { Docker } from './docker.ts';
import { reapAtExit } from './reaper.ts';

/** What `docker inspect` says that tests ask for. */
export interface ContainerFacts {
  readonly State: {
    readonly Running: boolean;
    readonly ExitCode: number;
    readonly OOMKilled: boolean;
    readonly Health?: { readonly Status: string };
  };
  readonly HostConfig: { readonly ReadonlyRootfs: boolean };
  readonly Config: { readonly User: string; readonly Healthcheck?: { readonly Test: readonly string[] } };
}

/** Where nothing of the image is cached. */
const BUILD_MS = 600_000;
const CALL_MS = 60_000;

/** The plug-in, or the program that came before it. Undefined where there is neither. */
export async function findCompose(): Promise<readonly string[] | undefined> {
  for (const command of [['docker', 'compose'], ['docker-compose']]) {
    const [file = '', ...words] = command;
    const isThere = await promisify(execFile)(file, [...words, 'version']).then(
      () => true,
      () => false,
    );
    if (isThere) return command;
  }
  return undefined;
}

let count = 0;

/** One project: everything in the file. */
export class ComposeProject {
  private readonly docker: Docker;
  private readonly command: readonly string[];
  private readonly environment: NodeJS.ProcessEnv;
  private readonly name = `pilotfish-${process.pid}-${Date.now().toString(36)}-${++count}`;

  /**
   * @param command what `findCompose` found
   * @param environment variables that the file asks for
   */
  constructor(
    docker: Docker,
    command: readonly string[],
    file: string,
    environment: Readonly<Record<string, string>> = {},
  ) {
    this.docker = docker;
    this.command = [...command, '--project-name', this.name, '--file', file];
    this.environment = { ...docker.environment, ...environment, COMPOSE_IGNORE_ORPHANS: '1' };
    reapAtExit(docker, 'com.docker.compose.project', this.name);
  }

  /** Makes the images that the file says how to build. */
  async build(): Promise<void> {
    await this.compose(['build'], BUILD_MS);
  }

  /** `docker compose up --build`. */
  async up(): Promise<void> {
    await this.compose(['up', '--build', '--detach'], BUILD_MS);
  }

  /** Frees everything. */
  async down(): Promise<void> {
    await this.compose(['down', '--volumes', '--timeout', '0']);
  }

  /** `docker VERB CONTAINER…` */
  async call(verb: 'kill' | 'stop' | 'start' | 'restart', ...services: readonly string[]): Promise<void> {
    const ids = await Promise.all(services.map((service) => this.containerOf(service)));
    await this.docker.run([verb, ...ids], { withinMs: CALL_MS });
  }

  async exec(service: string, ...command: readonly string[]): Promise<string> {
    return this.docker.run(['exec', await this.containerOf(service), ...command]);
  }

  async facts(service: string): Promise<ContainerFacts> {
    const text = await this.docker.run(['inspect', await this.containerOf(service)]);
    const [facts] = JSON.parse(text) as ContainerFacts[];
    if (facts === undefined) throw new Error(`no container of ${service}`);
    return facts;
  }

  /** Waits until their health checks have passed. Rejects with the last lines of one that ended. */
  async healthy(...services: readonly string[]): Promise<void> {
    for (const service of services) {
      await until(
        `${service} is healthy`,
        async () => {
          const { State } = await this.facts(service);
          if (!State.Running) throw new Error(`${service} ended with ${State.ExitCode}: ${await this.logs(service)}`);
          return State.Health?.Status === 'healthy';
        },
        { withinMs: CALL_MS, everyMs: 200 },
      );
    }
  }

  /** Where a published port is reached from here. */
  async published(service: string, port: number): Promise<number> {
    const address =
      (await this.docker.run(['port', await this.containerOf(service), `${port}/tcp`])).split('\n')[0] ?? '';
    return Number(address.slice(address.lastIndexOf(':') + 1));
  }

  /** The last lines of both outputs. */
  private async logs(service: string): Promise<string> {
    return this.docker.run(['logs', '--tail', '50', await this.containerOf(service)], { withStderr: true });
  }

  /** The two programs name containers differently; their labels are the same. */
  private containerOf(service: string): Promise<string> {
    const labels = { project: this.name, service };
    const filters = Object.entries(labels).flatMap(([key, value]) => [
      '--filter',
      `label=com.docker.compose.${key}=${value}`,
    ]);
    return this.docker.run(['ps', '--all', '--quiet', '--no-trunc', ...filters]);
  }

  private async compose(words: readonly string[], withinMs = CALL_MS): Promise<void> {
    const [file = '', ...before] = this.command;
    await promisify(execFile)(file, [...before, ...words], {
      env: this.environment,
      timeout: withinMs,
      maxBuffer: 33_554_432,
    });
  }
}
