// One real server in a container, by testcontainers: on fixed ports of 127.0.0.1, killed, frozen, wiped and started again.
import { readFileSync } from 'node:fs';
import type { Readable } from 'node:stream';
import { GenericContainer, getContainerRuntimeClient, Wait, type ContainerRuntimeClient } from 'testcontainers';
import { Docker } from '../engine/docker.ts';
import { reapAtExit } from '../engine/reaper.ts';
import { awaitReady, OutputLines, type ServerRun } from './run.ts';

/** What is started, again and again with the same words. */
export interface ContainerPlan {
  readonly image: string;
  /** After the image's entry point. Empty: the image's own. */
  readonly command: readonly string[];
  readonly env: Readonly<Record<string, string>>;
  readonly ports: readonly PublishedPort[];
  /** Files of this host that it reads, by their path in the container. */
  readonly files: ReadonlyMap<string, string>;
  /** Its name for other servers of this process: all that have one share a network. */
  readonly alias?: string;
}

/** A port of the container, and the one of 127.0.0.1 that leads there. */
export interface PublishedPort {
  readonly container: number;
  readonly host: number;
}

type Handle = ReturnType<ContainerRuntimeClient['container']['getById']>;

/** Of everything that this process starts: name and value. */
const LABEL = ['pilotfish.test', `servers-${process.pid}-${Date.now().toString(36)}`] as const;
const START_MS = 60_000;
/** The engine's word for a container that is not in the state that a call is for. */
const HTTP_CONFLICT = 409;

// Our reaper needs no image; and what is published on 127.0.0.1 is there, also where this host is a container itself.
process.env['TESTCONTAINERS_RYUK_DISABLED'] = 'true';
process.env['TESTCONTAINERS_HOST_OVERRIDE'] = '127.0.0.1';

export class ServerContainer implements ServerRun {
  readonly output = new OutputLines();
  private readonly plan: ContainerPlan;
  /** Undefined before the first start and after `wipe`. */
  private handle: Handle | undefined = undefined;
  private isFrozen = false;
  /** Resolves when the one that runs has ended. */
  private ended: Promise<void> | undefined = undefined;

  constructor(plan: ContainerPlan) {
    this.plan = plan;
  }

  get isRunning(): boolean {
    return this.ended !== undefined;
  }

  async start(isReady: () => Promise<boolean>, withinMs = START_MS): Promise<void> {
    if (this.isRunning) throw new Error('the server is running');
    this.output.clear();
    const { container } = await getContainerRuntimeClient();
    if (this.handle === undefined) {
      this.handle = container.getById(await this.create());
    } else {
      this.collect(await container.attach(this.handle)); // Not its log, in which the last run's lines come first.
      await container.start(this.handle);
    }
    this.follow(this.handle);
    await awaitReady(this, this.plan.image, isReady, withinMs);
  }

  async kill(signal: NodeJS.Signals = 'SIGKILL'): Promise<void> {
    const { ended, handle } = this;
    if (ended === undefined || handle === undefined) return;
    await this.thaw(); // A frozen one takes no signal.
    await handle.kill({ signal }).catch((error: unknown) => {
      if ((error as { statusCode?: unknown }).statusCode !== HTTP_CONFLICT) throw error; // Else it has just ended by itself.
    });
    await ended;
  }

  /** Every process of it: the first one may be a mere parent, which SIGSTOP would stop alone. */
  async freeze(): Promise<void> {
    if (!this.isRunning || this.isFrozen) return;
    await this.handle?.pause();
    this.isFrozen = true;
  }

  async thaw(): Promise<void> {
    if (!this.isFrozen) return;
    this.isFrozen = false;
    await this.handle?.unpause();
  }

  /** Its data was in the container: the next start makes another one. */
  async wipe(): Promise<void> {
    await this.kill();
    await this.handle?.remove({ force: true, v: true });
    this.handle = undefined;
  }

  close(): Promise<void> {
    return this.wipe();
  }

  /** The id of a container that has been started. */
  private async create(): Promise<string> {
    const { image, command, env, ports, files, alias } = this.plan;
    reapAtExit(new Docker(), ...LABEL);
    const container = new LocalContainer(image)
      .withLabels(Object.fromEntries([LABEL]))
      .withEnvironment(env)
      .withLocalPorts(ports)
      .withCopyContentToContainer(
        [...files].map(([target, source]) => ({ target, content: readFileSync(source), mode: 0o644 })),
      )
      .withLogConsumer((stream) => this.collect(stream))
      .withWaitStrategy(Wait.forAll([])); // The server itself is asked.
    if (alias !== undefined) container.withNetworkMode(await network()).withNetworkAliases(alias);
    if (command.length > 0) container.withCommand([...command]);
    return (await container.start()).getId();
  }

  private collect(stream: Readable): void {
    stream.setEncoding('utf8');
    stream.on('data', (text: string) => this.output.add(text));
    stream.on('error', () => undefined);
  }

  /** Learns of its end. */
  private follow(handle: Handle): void {
    const ended: Promise<void> = handle.wait().then(
      () => this.forget(ended),
      () => this.forget(ended),
    );
    this.ended = ended;
  }

  private forget(ended: Promise<void>): void {
    if (this.ended === ended) this.ended = undefined;
  }
}

let made: Promise<string> | undefined;

/** Of the servers of this process. */
function network(): Promise<string> {
  const [label, value] = LABEL;
  made ??= new Docker().run(['network', 'create', '--label', `${label}=${value}`, value]).then(() => value);
  return made;
}

/** Publishes on 127.0.0.1 alone: servers under test let everybody in. */
class LocalContainer extends GenericContainer {
  withLocalPorts(ports: readonly PublishedPort[]): this {
    this.withExposedPorts(...ports);
    const bindings: Record<string, readonly object[]> = {};
    for (const { container, host } of ports)
      bindings[`${container}/tcp`] = [{ HostIp: '127.0.0.1', HostPort: String(host) }];
    Object.assign(this.hostConfig, { PortBindings: bindings });
    return this;
  }
}
