// What another try could hope for: whether there is an endpoint beside the one that failed, and whether any of them is well.
import type { Clock } from '../util/clock.ts';
import type { Endpoint } from './endpoint.ts';
import type { OutlierOptions } from './options.ts';
import { isFailure, type Outcome } from './outcome.ts';
import { areAllFailing, canPickMoreThan } from './placement.ts';

/** One for each upstream, told of every outcome. */
export class Outlook {
  private readonly clock: Clock;
  private readonly consecutiveFailures: number;
  private readonly endpoints: () => Iterable<Endpoint>;
  /** Monotonic ms of the first failure since the last success. */
  private sinceMs = Infinity;

  /**
   * @param options where nothing ejects an endpoint (`consecutiveFailures: 0`), nobody is said to fail.
   * @param endpoints those that there are now.
   */
  constructor(clock: Clock, options: Pick<OutlierOptions, 'consecutiveFailures'>, endpoints: () => Iterable<Endpoint>) {
    this.clock = clock;
    this.endpoints = endpoints;
    this.consecutiveFailures = options.consecutiveFailures;
  }

  settled(outcome: Outcome): void {
    if (outcome === 'success') this.sinceMs = Infinity;
    else if (this.sinceMs === Infinity && isFailure(outcome)) this.sinceMs = this.clock.now();
  }

  /** For how long all that can be picked have kept failing, in ms; 0 while one of them is well. */
  get failingForMs(): number {
    if (this.sinceMs === Infinity || this.consecutiveFailures === 0) return 0;
    return areAllFailing(this.endpoints(), this.consecutiveFailures) ? this.clock.now() - this.sinceMs : 0;
  }

  /** More than `tried` can be picked: a retry goes to one that was not asked yet. */
  hasOtherThan(tried: number): boolean {
    return canPickMoreThan(tried, this.endpoints());
  }
}
