// HOT PATH. Notices, with the very failure that makes it certain, that an endpoint fails more often than the others.
import type { OutlierOptions } from './options.ts';

/** Failures of its own, and attempts of the others, below which nothing is certain. */
const MIN_FAILURES = 5;
/** An endpoint that is back from an ejection for its share of failures has to be half as suspicious, for so many attempts. */
const TRIAL = { requests: 100, evidence: 0.5, minFailures: 3 };

/** Attempts of all endpoints of an upstream since its start; each of them adds its own. */
export class AttemptTally {
  requests = 0;
  failures = 0;
}

/**
 * A sequential test: whenever the endpoint fails, its attempts since some moment are held against those that all others
 * made since the same moment, so that what befalls all of them is held against none. That moment moves on to the present as
 * long as it fails no more often than the others by `margin`: what was long ago excuses nothing. The evidence is the
 * signed root of the likelihood ratio, in standard deviations (as `failsMore` in outlier-window.ts, but exact for the few
 * attempts that there are; E. Page, "Continuous Inspection Schemes", 1954, for the moving start). An attempt that succeeds
 * costs two additions. One writer: the endpoint's outlier record.
 */
export class FailureShare {
  private readonly options: OutlierOptions['successRate'];
  private readonly all: AttemptTally;
  private requests = 0;
  private failures = 0;
  private judged = 0;
  /** Both sides' counts at the moment since which they are compared. */
  private ownRequestsBefore = 0;
  private ownFailuresBefore = 0;
  private otherRequestsBefore = 0;
  private otherFailuresBefore = 0;
  private trialEndsAt = 0;

  /** @param all of the upstream; shared by its endpoints. */
  constructor(options: OutlierOptions['successRate'], all: AttemptTally) {
    this.options = options;
    this.all = all;
  }

  /** An attempt that has ended, without a valid answer or with one from 500 on; before `ended`. */
  failed(): void {
    this.failures++;
    this.all.failures++;
  }

  /** An attempt has ended. @returns why the endpoint stands out now, in words; undefined: it does not. */
  ended(): string | undefined {
    this.requests++;
    this.all.requests++;
    if (this.failures === this.judged) return undefined;
    this.judged = this.failures;
    return this.options.immediate ? this.judge() : undefined;
  }

  /** Begins anew. @param isOnTrial it is back from an ejection for this. */
  begin(isOnTrial: boolean): void {
    this.restart(0);
    this.trialEndsAt = isOnTrial ? this.requests + TRIAL.requests : 0;
  }

  private judge(): string | undefined {
    const { all, options } = this;
    const failures = this.failures - this.ownFailuresBefore;
    const requests = this.requests - this.ownRequestsBefore;
    const otherRequests = all.requests - this.requests - this.otherRequestsBefore;
    const otherFailures = all.failures - this.failures - this.otherFailuresBefore;
    // Laplace's rule of succession: of the few attempts that the others have made, the next could as well have failed.
    const normal = (otherFailures + 1) / (otherRequests + 2) + options.margin;
    const share = failures / requests;
    if (otherRequests < MIN_FAILURES || normal >= 1) return undefined;
    if (share <= normal) {
      this.restart(1);
      return undefined;
    }
    const isOnTrial = this.requests < this.trialEndsAt;
    const needed = (options.deviations ** 2 / 2) * (isOnTrial ? TRIAL.evidence : 1);
    if (failures < (isOnTrial ? TRIAL.minFailures : MIN_FAILURES)) return undefined;
    if (requests * divergence(share, normal) < needed) return undefined;
    return `${failures} of its last ${requests} requests failed, ${Math.max(0, otherFailures)} of ${otherRequests} at the others`;
  }

  /** From now on, its last `count` attempts included, which were failures. */
  private restart(count: number): void {
    const { all, requests, failures } = this;
    this.ownRequestsBefore = requests - count;
    this.ownFailuresBefore = failures - count;
    this.otherRequestsBefore = all.requests - requests;
    this.otherFailuresBefore = all.failures - failures;
  }
}

/** Kullback and Leibler's, of two chances: how much one attempt says on average, where `share` > `normal`; natural logarithms. */
function divergence(share: number, normal: number): number {
  const success = share < 1 ? (1 - share) * Math.log((1 - share) / (1 - normal)) : 0;
  return share * Math.log(share / normal) + success;
}
