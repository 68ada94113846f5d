// While a whole upstream fails: whoever of its ejected endpoints can be connected to again is back at once.
import type { Clock, Timer } from '../util/clock.ts';
import type { Endpoint } from './endpoint.ts';
import type { OutlierOptions } from './options.ts';
import { areAllFailing } from './placement.ts';

/** Between two looks: so long at first, later this share of the time since all have failed. */
const FIRST_MS = 100;
const SHARE = 0.05;
/** Connections that are tried at each look, at most; those whose turn it was last come last. */
const MAX_DIALS = 16;

/**
 * An ejection spares requests an endpoint that fails, as long as there are others. Where those that can be picked keep failing,
 * too, there is nothing to spare, and waiting for its end would keep the upstream down behind endpoints that are back: of
 * three that were killed, the one that was never ejected may be the one that does not return. So those that refused
 * connections are tried meanwhile. One for each upstream.
 */
export class Comeback {
  private readonly clock: Clock;
  private readonly options: Pick<OutlierOptions, 'consecutiveFailures' | 'baseEjectionMs'>;
  private readonly scope: { readonly endpoints: Iterable<Endpoint> };
  private readonly tryReadmit: (endpoint: Endpoint) => void;
  private timer: Timer | undefined = undefined;
  private sinceMs = 0;

  /** @param tryReadmit opens a connection, and ends the ejection where that works. */
  constructor(
    clock: Clock,
    options: Pick<OutlierOptions, 'consecutiveFailures' | 'baseEjectionMs'>,
    scope: { readonly endpoints: Iterable<Endpoint> },
    tryReadmit: (endpoint: Endpoint) => void,
  ) {
    this.clock = clock;
    this.options = options;
    this.scope = scope;
    this.tryReadmit = tryReadmit;
  }

  /** An attempt has failed. */
  failed(): void {
    if (this.timer !== undefined || !this.isNeeded) return;
    this.sinceMs = this.clock.now();
    this.arm();
  }

  close(): void {
    this.timer?.cancel();
  }

  private get isNeeded(): boolean {
    const { consecutiveFailures } = this.options;
    return consecutiveFailures > 0 && areAllFailing(this.scope.endpoints, consecutiveFailures);
  }

  private arm(): void {
    const shareMs = Math.min((this.clock.now() - this.sinceMs) * SHARE, this.options.baseEjectionMs);
    this.timer = this.clock.setTimer(Math.max(FIRST_MS, shareMs), this.look);
  }

  private readonly look = (): void => {
    this.timer = undefined;
    if (!this.isNeeded) return;
    const gone: { readonly endpoint: Endpoint; readonly untilMs: number }[] = [];
    for (const endpoint of this.scope.endpoints) {
      const untilMs = endpoint.outlier.ejectedUntilMs;
      if (untilMs !== undefined && untilMs !== Infinity && endpoint.pool.isRefused) gone.push({ endpoint, untilMs });
    }
    gone.sort((a, b) => a.untilMs - b.untilMs);
    for (const { endpoint } of gone.slice(0, MAX_DIALS)) this.tryReadmit(endpoint);
    this.arm();
  };
}
