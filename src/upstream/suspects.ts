// Probes endpoints that the registry dropped without saying why: who does not answer is reported and goes; who does is held.
import type { Clock, Timer } from '../util/clock.ts';
import type { Endpoint } from './endpoint.ts';

/** Between two rounds, in ms, ± 20 %. */
const INTERVAL_MS = 1_000;
/** Connections that fail in a row: one may be lost to a full backlog. */
const FAILURES = 2;

/** Opens a connection to each suspect, again and again while there are any. */
export class SuspectProber {
  private readonly clock: Clock;
  private readonly onFailed: (id: string) => void;
  private readonly failures = new Map<Endpoint, number>();
  private timer: Timer | undefined = undefined;

  /** @param onFailed the verdict on an id; it is not probed any more. */
  constructor(clock: Clock, onFailed: (id: string) => void) {
    this.clock = clock;
    this.onFailed = onFailed;
  }

  /** Those that are suspects now; new ones are probed at once. */
  watch(suspects: readonly Endpoint[]): void {
    for (const endpoint of this.failures.keys()) if (!suspects.includes(endpoint)) this.failures.delete(endpoint);
    for (const endpoint of suspects) {
      if (this.failures.has(endpoint)) continue;
      this.failures.set(endpoint, 0);
      this.probe(endpoint);
    }
    if (this.failures.size > 0) this.timer ??= this.clock.setTimer(this.intervalMs(), this.round);
  }

  close(): void {
    this.timer?.cancel();
    this.failures.clear();
  }

  private readonly round = (): void => {
    this.timer = undefined;
    for (const endpoint of this.failures.keys()) this.probe(endpoint);
    if (this.failures.size > 0) this.timer = this.clock.setTimer(this.intervalMs(), this.round);
  };

  private probe(endpoint: Endpoint): void {
    endpoint.pool.probe((error) => {
      const before = this.failures.get(endpoint);
      if (before === undefined) return;
      const failures = error === undefined ? 0 : before + 1;
      this.failures.set(endpoint, failures);
      if (failures < FAILURES) return;
      this.failures.delete(endpoint);
      this.onFailed(endpoint.id);
    });
  }

  private intervalMs(): number {
    return INTERVAL_MS * (0.8 + 0.4 * this.clock.random());
  }
}
