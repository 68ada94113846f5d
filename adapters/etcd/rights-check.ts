// Rights that are taken from us: etcd judges a watch at its creation only, so a small read asks again from time to time.
import { RegistryError } from '../../src/registry/types.ts';
import type { Clock, Timer } from '../../src/util/clock.ts';
import type { Cluster } from './cluster.ts';
import { etcdError } from './errors.ts';
import { rangeEnd } from './range.ts';

interface Watched {
  readonly prefix: string;
  denied(error: RegistryError): void;
}

/** Each prefix is asked for this often, in ms, */
const ROUND_MS = 8_000;
/** but all of them together no more often than this: with many services it takes longer. */
const MIN_GAP_MS = 200;

/** One question at a time, in turn. */
export class RightsCheck {
  private readonly cluster: Cluster;
  private readonly clock: Clock;
  private readonly queue = new Set<Watched>();
  private readonly closing = new AbortController();
  private timer: Timer | undefined = undefined;

  constructor(cluster: Cluster, clock: Clock) {
    this.cluster = cluster;
    this.clock = clock;
  }

  /** Calls `denied` once the prefix may not be read any more; gives what ends it. */
  watch(prefix: string, denied: (error: RegistryError) => void): () => void {
    const watched = { prefix, denied };
    this.queue.add(watched);
    this.schedule();
    return () => void this.queue.delete(watched);
  }

  close(): void {
    this.closing.abort(new RegistryError('aborted', 'the registry is closed'));
    this.timer?.cancel();
  }

  private schedule(): void {
    if (this.timer !== undefined || this.queue.size === 0 || this.closing.signal.aborted) return;
    const gapMs = Math.max(MIN_GAP_MS, ROUND_MS / this.queue.size);
    this.timer = this.clock.setTimer(gapMs * (0.75 + this.clock.random() / 2), () => void this.ask());
  }

  private async ask(): Promise<void> {
    const [next] = this.queue;
    if (next !== undefined) {
      this.queue.delete(next);
      this.queue.add(next); // To the end of the line.
      const { prefix } = next;
      const request = {
        key: Buffer.from(prefix),
        range_end: rangeEnd(prefix),
        limit: 1,
        keys_only: true,
        serializable: true,
      };
      try {
        await this.cluster.unary('read', this.closing.signal, (client, options) => client.kv.range(request, options));
      } catch (thrown) {
        const error = etcdError(thrown, 'etcd: read');
        const isDenied = error.kind === 'forbidden' || error.kind === 'unauthenticated';
        if (isDenied && this.queue.has(next)) next.denied(error); // All else the stream notices.
      }
    }
    this.timer = undefined;
    this.schedule();
  }
}
