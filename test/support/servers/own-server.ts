// A server that is ours to break, whatever it is and however it runs: killed, frozen, wiped, ended.
import { basename } from 'node:path';
import type { Certificate } from '../certificates.ts';
import type { OwnedServer } from './index.ts';
import { serverDirectory, ServerProcess } from './process.ts';
import type { OutputLines, ServerRun } from './run.ts';

/** TLS of the port for clients, as paths of PEM files. */
export interface ServerTls extends Certificate {
  /** Authority that clients' certificates are judged by. */
  readonly ca: string;
  /** Clients must show one. */
  readonly verifiesClients: boolean;
}

/** Where a server runs: on this host, or in a container that has its own. */
export interface Place {
  /** What it listens on for clients. */
  readonly host: string;
  /** Directory of its data. */
  readonly data: string;
  /** Where it finds a file of this host. */
  readonly file: (path: string) => string;
}

/** How one kind of server is started. */
export interface ServerPlan {
  readonly name: string;
  /** What follows the program's name. */
  words(place: Place): readonly string[];
  /** Of clients: the same in a container and on 127.0.0.1. */
  readonly ports: readonly number[];
  readonly image: {
    /** Begins the command, where the image's entry point is not the program. */
    readonly program: readonly string[];
    readonly data: string;
    /** Its name for others of its kind. */
    readonly alias?: string;
  };
  /** Of a process alone: a container sees nothing of ours. */
  readonly env?: Readonly<Record<string, string>>;
}

/** The same words, as a process or as a container. Nothing has been started yet. */
export async function runOf(found: OwnedServer, plan: ServerPlan): Promise<ServerRun> {
  if (found.from === 'binary') {
    const directory = serverDirectory(plan.name);
    const args = plan.words({ host: '127.0.0.1', data: `${directory.path}/data`, file: (path) => path });
    return new ServerProcess({
      command: found.path,
      args,
      directory,
      ...(plan.env === undefined ? {} : { env: plan.env }),
    });
  }
  const files = new Map<string, string>();
  const file = (path: string): string => {
    const target = `/of-this-host/${files.size}-${basename(path)}`;
    files.set(target, path);
    return target;
  };
  const { program, data, alias } = plan.image;
  const command = [...program, ...plan.words({ host: '0.0.0.0', data, file })];
  const ports = plan.ports.map((port) => ({ container: port, host: port }));
  // Only where it is needed: much is loaded with it.
  const { ServerContainer } = await import('./container.ts');
  return new ServerContainer({
    image: found.image,
    command,
    env: {},
    ports,
    files,
    ...(alias === undefined ? {} : { alias }),
  });
}

/** What each kind of server adds is its command line and how one sees that it is ready. */
export abstract class OwnServer {
  /** Of clients, on 127.0.0.1; the same over restarts. */
  readonly port: number;
  protected readonly run: ServerRun;

  protected constructor(port: number, run: ServerRun) {
    this.port = port;
    this.run = run;
  }

  /** `127.0.0.1:port`. */
  get address(): string {
    return `127.0.0.1:${this.port}`;
  }

  /** Its last lines. */
  get output(): OutputLines {
    return this.run.output;
  }

  get isRunning(): boolean {
    return this.run.isRunning;
  }

  /** Starts it where it was killed; its data is as it was. Resolves when it answers. */
  abstract restart(): Promise<void>;

  /** The first start: leaves nothing behind where it fails. */
  protected async started(): Promise<this> {
    try {
      await this.restart();
    } catch (error) {
      await this.close();
      throw error;
    }
    return this;
  }

  /** Resolves when it is gone. Without effect where it is gone already. */
  kill(signal: NodeJS.Signals = 'SIGKILL'): Promise<void> {
    return this.run.kill(signal);
  }

  /** Stops it in its tracks: its sockets stay open, and nobody answers. */
  freeze(): Promise<void> {
    return this.run.freeze();
  }

  thaw(): Promise<void> {
    return this.run.thaw();
  }

  /** Kills it, forgets all data, starts it again on the same ports. */
  async wipe(): Promise<void> {
    await this.run.wipe();
    await this.restart();
  }

  /** Kills it and leaves nothing behind. */
  close(): Promise<void> {
    return this.run.close();
  }
}
