// Probes endpoints that the registry dropped without saying why: who does not answer is reported and goes; who does is held.
import type { ProxyError } from '../errors.ts';
import type { Clock, Timer } from '../util/clock.ts';
import type { Endpoint } from './endpoint.ts';
import { isOurOwn } from './our-own.ts';

/** Between two rounds, in ms, ± 20 %. */
const INTERVAL_MS = 1_000;
/** Connections that fail in a row: one may be lost to a full backlog. */
const FAILURES = 2;

/** What is known of one suspect. */
interface Probed {
  /** In a row. */
  failures: number;
  isAsked: boolean;
}

/** Opens a connection to each suspect, again and again while there are any. */
export class SuspectProber {
  private readonly clock: Clock;
  private readonly onFailed: (id: string) => void;
  private readonly probed = new Map<Endpoint, Probed>();
  private timer: Timer | undefined = undefined;

  /** @param onFailed the verdict on an id; it is not probed any more. */
  constructor(clock: Clock, onFailed: (id: string) => void) {
    this.clock = clock;
    this.onFailed = onFailed;
  }

  /** Those that are suspects now; new ones are probed at once. */
  watch(suspects: readonly Endpoint[]): void {
    for (const endpoint of this.probed.keys()) if (!suspects.includes(endpoint)) this.probed.delete(endpoint);
    for (const endpoint of suspects) {
      if (this.probed.has(endpoint)) continue;
      this.probed.set(endpoint, { failures: 0, isAsked: false });
      this.probeNow(endpoint);
    }
    if (this.probed.size > 0) this.timer ??= this.clock.setTimer(this.intervalMs(), this.round);
  }

  /** Requests to it fail: that alone proves nothing, but it is not waited for the next round. Ignored of others than suspects. */
  probeNow(endpoint: Endpoint): void {
    const probed = this.probed.get(endpoint);
    if (probed === undefined || probed.isAsked) return;
    probed.isAsked = true;
    endpoint.pool.probe((error) => {
      probed.isAsked = false;
      if (this.probed.get(endpoint) === probed) this.settle(endpoint, probed, error);
    });
  }

  close(): void {
    this.timer?.cancel();
    this.probed.clear();
  }

  private readonly round = (): void => {
    this.timer = undefined;
    for (const endpoint of this.probed.keys()) this.probeNow(endpoint);
    if (this.probed.size > 0) this.timer = this.clock.setTimer(this.intervalMs(), this.round);
  };

  private settle(endpoint: Endpoint, probed: Probed, error: ProxyError | undefined): void {
    if (isOurOwn(error)) return; // No verdict: the next round asks again.
    probed.failures = error === undefined ? 0 : probed.failures + 1;
    if (probed.failures < FAILURES) return;
    this.probed.delete(endpoint);
    this.onFailed(endpoint.id);
  }

  private intervalMs(): number {
    return INTERVAL_MS * (0.8 + 0.4 * this.clock.random());
  }
}
