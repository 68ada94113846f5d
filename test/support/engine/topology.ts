// A compose file running in real containers, to be broken by hand; gone with the test, also where the test is killed.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { until } from '../until.ts';
import { readCompose, type ContainerPlan } from './compose.ts';
import type { Docker } from './docker.ts';

/** What `docker inspect` says that tests ask for. */
export interface ContainerFacts {
  readonly State: {
    readonly Running: boolean;
    readonly ExitCode: number;
    readonly OOMKilled: boolean;
    readonly Health?: { readonly Status: string };
  };
  readonly HostConfig: { readonly ReadonlyRootfs: boolean };
  readonly Config: { readonly User: string };
}

export interface TopologyOptions {
  /** Images to take in place of those that the file names. */
  readonly images: Readonly<Record<string, string>>;
  /** Checks of health come this often. */
  readonly healthEvery: string;
}

/** Waits for its standard input to end, which it does however the test ends, then removes everything with the label. */
const REAPER = `
  cat >/dev/null
  docker ps -aq --filter "label=$1" | xargs -r docker rm -fv
  docker network ls -q --filter "label=$1" | xargs -r docker network rm
  docker volume ls -q --filter "label=$1" | xargs -r docker volume rm
`;

let count = 0;

export class Topology {
  private readonly docker: Docker;
  private readonly id: string;
  private readonly end: () => Promise<void>;

  private constructor(docker: Docker) {
    this.docker = docker;
    this.id = `pilotfish-${process.pid}-${Date.now().toString(36)}-${++count}`;
    const reaper = spawn('sh', ['-c', REAPER, 'reaper', this.label], {
      env: docker.environment,
      stdio: ['pipe', 'ignore', 'ignore'],
      detached: true, // A signal to the test's process group is not for it.
    });
    const ended = once(reaper, 'exit');
    this.end = async () => {
      reaper.stdin.end();
      await ended;
    };
  }

  /** Everything in the file, started in its order. */
  static async up(docker: Docker, composeFile: string, options: TopologyOptions): Promise<Topology> {
    const topology = new Topology(docker);
    try {
      const plans = readCompose(composeFile);
      await docker.run(['network', 'create', '--label', topology.label, topology.id]);
      for (const name of new Set(plans.flatMap((plan) => plan.volumes.map((volume) => volume.name)))) {
        await docker.run(['volume', 'create', '--label', topology.label, topology.named(name)]);
      }
      for (const plan of plans) await topology.start(plan, options);
      for (const { name } of plans) await topology.assertRunning(name);
      return topology;
    } catch (error) {
      await topology.close();
      throw error;
    }
  }

  /** Frees everything. */
  close(): Promise<void> {
    return this.end();
  }

  /** `docker VERB … CONTAINER`: kill, stop, start, pause. */
  async call(verb: 'kill' | 'stop' | 'start' | 'restart', ...services: readonly string[]): Promise<void> {
    await this.docker.run([verb, ...services.map((name) => this.named(name))], { withinMs: 60_000 });
  }

  exec(service: string, ...command: readonly string[]): Promise<string> {
    return this.docker.run(['exec', this.named(service), ...command]);
  }

  async facts(service: string): Promise<ContainerFacts> {
    return (JSON.parse(await this.docker.run(['inspect', this.named(service)])) as ContainerFacts[])[0]!;
  }

  /** Its last lines of both outputs. */
  logs(service: string): Promise<string> {
    return this.docker.run(['logs', '--tail', '50', this.named(service)], { withStderr: true });
  }

  async healthy(...services: readonly string[]): Promise<void> {
    for (const service of services) {
      await until(
        `${service} is healthy`,
        async () => {
          const { State } = await this.assertRunning(service);
          return State.Health?.Status === 'healthy';
        },
        { withinMs: 40_000, everyMs: 200 },
      );
    }
  }

  /** Where a published port is reached from here. */
  async published(service: string, port: number): Promise<{ readonly host: string; readonly port: number }> {
    const address = (await this.docker.run(['port', this.named(service), `${port}/tcp`])).split('\n')[0] ?? '';
    const colon = address.lastIndexOf(':');
    return { host: address.slice(0, colon), port: Number(address.slice(colon + 1)) };
  }

  private async assertRunning(service: string): Promise<ContainerFacts> {
    const facts = await this.facts(service);
    if (facts.State.Running) return facts;
    throw new Error(`${service} ended with ${facts.State.ExitCode}: ${await this.logs(service)}`);
  }

  private async start(plan: ContainerPlan, options: TopologyOptions): Promise<void> {
    const network =
      plan.sharesNetworkOf === undefined
        ? ['--network', this.id, '--network-alias', plan.name]
        : ['--network', `container:${this.named(plan.sharesNetworkOf)}`];
    const volumes = plan.volumes.flatMap(({ name, path }) => ['--volume', `${this.named(name)}:${path}`]);
    const image = options.images[plan.image] ?? plan.image;
    const own = [
      '--detach',
      '--name',
      this.named(plan.name),
      '--label',
      this.label,
      '--health-interval',
      options.healthEvery,
    ];
    await this.docker.run(['run', ...own, ...network, ...volumes, ...plan.options, image, ...plan.command]);
  }

  private named(name: string): string {
    return `${this.id}-${name}`;
  }

  private get label(): string {
    return `pilotfish.test=${this.id}`;
  }
}
