// A server that is ours to break, whatever it is: killed, frozen, wiped, ended, always by its own process and directory.
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { Certificate } from '../certificates.ts';
import type { ServerDirectory, ServerProcess } from './process.ts';

/** TLS of the port for clients, as paths of PEM files. */
export interface ServerTls extends Certificate {
  /** Authority that clients' certificates are judged by. */
  readonly ca: string;
  /** Clients must show one. */
  readonly verifiesClients: boolean;
}

/** What each kind of server adds is its command line and how one sees that it is ready. Its data lies in `data`. */
export abstract class OwnServer {
  /** Of clients, on 127.0.0.1; the same over restarts. */
  readonly port: number;
  protected readonly process: ServerProcess;
  private readonly directory: ServerDirectory;

  protected constructor(port: number, process: ServerProcess, directory: ServerDirectory) {
    this.port = port;
    this.process = process;
    this.directory = directory;
  }

  /** `127.0.0.1:port`. */
  get address(): string {
    return `127.0.0.1:${this.port}`;
  }

  /** Its last lines. */
  get output(): readonly string[] {
    return this.process.output;
  }

  get isRunning(): boolean {
    return this.process.isRunning;
  }

  /** Starts it where it was killed; its data is as it was. Resolves when it answers. */
  abstract restart(): Promise<void>;

  /** Resolves when it is gone. Without effect where it is gone already. */
  kill(signal: NodeJS.Signals = 'SIGKILL'): Promise<void> {
    return this.process.kill(signal);
  }

  /** Stops it in its tracks: its sockets stay open, and nobody answers. */
  freeze(): void {
    this.process.freeze();
  }

  thaw(): void {
    this.process.thaw();
  }

  /** Kills it, forgets all data, starts it again on the same ports. */
  async wipe(): Promise<void> {
    await this.kill();
    await rm(join(this.directory.path, 'data'), { recursive: true, force: true });
    await this.restart();
  }

  /** Kills it and leaves nothing behind. */
  async close(): Promise<void> {
    await this.kill(); // SIGKILL ends a frozen one, too.
    await this.directory.remove();
  }
}
