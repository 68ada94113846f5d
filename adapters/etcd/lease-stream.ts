// Signs of life: one raw keepalive stream for all leases of a process; each question waits for its own answer.
import type { IDuplexStream, ILeaseKeepAliveRequest, ILeaseKeepAliveResponse } from 'etcd3';
import { RegistryError } from '../../src/registry/types.ts';
import type { Cluster, OpenStream } from './cluster.ts';
import { etcdError } from './errors.ts';

type KeepAliveStream = IDuplexStream<ILeaseKeepAliveRequest, ILeaseKeepAliveResponse>;

interface Waiting {
  readonly leaseId: string;
  resolve(ttlSeconds: number): void;
  reject(error: RegistryError): void;
}

/** The stream is opened with the first sign of life, and anew after it failed. */
export class LeaseStream {
  private readonly cluster: Cluster;
  private current: Session | undefined = undefined;

  constructor(cluster: Cluster) {
    this.cluster = cluster;
  }

  /** Seconds that the lease has from now on; 0 where there is no such lease. Rejects with RegistryError. */
  async keepAlive(leaseId: string, signal: AbortSignal): Promise<number> {
    if (this.current?.isUsable !== true) {
      this.current?.retire();
      this.current = new Session(this.cluster);
    }
    return this.current.ask(leaseId, signal);
  }

  close(): void {
    this.current?.close(new RegistryError('aborted', 'the registry is closed'));
  }
}

class Session {
  private readonly cluster: Cluster;
  private readonly closing = new AbortController();
  private readonly opening: Promise<OpenStream<KeepAliveStream>>;
  private readonly waiting = new Set<Waiting>();
  private opened: OpenStream<KeepAliveStream> | undefined = undefined;
  private isRetired = false;

  constructor(cluster: Cluster) {
    this.cluster = cluster;
    this.opening = this.start();
    this.opening.catch((error: unknown) => this.close(etcdError(error, 'etcd: keepalive')));
  }

  get isUsable(): boolean {
    return !this.closing.signal.aborted && (this.opened?.isCurrent() ?? true);
  }

  /** No more questions; closes when the last one is answered. */
  retire(): void {
    this.isRetired = true;
    if (this.waiting.size === 0) this.close(new RegistryError('aborted', 'replaced'));
  }

  ask(leaseId: string, signal: AbortSignal): Promise<number> {
    return new Promise((resolve, reject) => {
      const done = (): void => {
        this.waiting.delete(entry);
        signal.removeEventListener('abort', onAbort);
        if (this.isRetired && this.waiting.size === 0) this.close(new RegistryError('aborted', 'replaced'));
      };
      const entry: Waiting = {
        leaseId,
        resolve: (ttlSeconds) => {
          done();
          resolve(ttlSeconds);
        },
        reject: (error) => {
          done();
          reject(error);
        },
      };
      const onAbort = (): void => {
        const error = etcdError(signal.reason, 'etcd: keepalive');
        entry.reject(error);
        // A stream that does not answer is not asked again: the next sign of life opens another one.
        if (error.kind === 'timeout') this.close(new RegistryError('timeout', 'etcd: a sign of life was not answered'));
      };
      this.waiting.add(entry);
      signal.addEventListener('abort', onAbort, { once: true });
      if (signal.aborted) onAbort();
      this.opening.then(
        ({ stream }) => {
          if (this.waiting.has(entry)) stream.write({ ID: leaseId });
        },
        () => undefined, // Told by `close`.
      );
    });
  }

  close(error: RegistryError): void {
    if (this.closing.signal.aborted) return;
    this.closing.abort(error);
    for (const entry of [...this.waiting]) entry.reject(error);
  }

  private async start(): Promise<OpenStream<KeepAliveStream>> {
    const opened = await this.cluster.stream('keepalive', this.closing.signal, (client, options) =>
      client.leaseClient.leaseKeepAlive(options),
    );
    const { stream } = opened;
    this.opened = opened;
    stream.on('data', (answer) => {
      for (const entry of [...this.waiting]) if (entry.leaseId === answer.ID) entry.resolve(Number(answer.TTL));
    });
    stream.on('error', (error) => this.close(opened.failed(error)));
    stream.on('end', () => this.close(new RegistryError('unavailable', 'etcd: the keepalive stream ended')));
    return opened;
  }
}
