// HOT PATH. Counts a request when its answer has ended; one of the listener's completion hooks.
import type { ErrorCode, ProxyError } from '../errors.ts';
import type { Direction, ProxyRequest } from '../http/message.ts';
import type { DownstreamEnd } from '../http/serving.ts';
import type { Metrics } from '../telemetry/metrics.ts';
import { flagOf, statusOf } from '../telemetry/outcome.ts';

/** What a listener runs when a message is done with; once for each, never throws. */
export interface CompletionHooks {
  complete(request: ProxyRequest, end: DownstreamEnd): void;
  /** The message was refused before it became a request. */
  refused(direction: Direction, error: ProxyError, peer: string, sentBytes: number): void;
}

/** How an endpoint ends an answer before its end. */
const BREAKS_OFF: ReadonlySet<ErrorCode> = new Set(['PF_UPSTREAM_CLOSED', 'PF_UPSTREAM_PROTOCOL', 'PF_TIMEOUT']);

/** Counts into `metrics`. The upstream's name is the only label that depends on the request. */
export class MetricsHooks implements CompletionHooks {
  private readonly metrics: Metrics;

  constructor(metrics: Metrics) {
    this.metrics = metrics;
  }

  complete(request: ProxyRequest, end: DownstreamEnd): void {
    const { upstream, attempts } = request;
    const { endedAtMs } = end;
    const table = request.direction === 'inbound' ? this.metrics.inbound : this.metrics.outbound;
    const series = table.of(upstream, endedAtMs);
    series.count(statusOf(end), flagOf(end, attempts));
    series.receivedBytes += end.receivedBytes;
    series.sentBytes += end.sentBytes;
    // How long a tunnel stays open says nothing of how fast anybody answers.
    const doneAtMs = end.response?.isTunnel === true ? request.answeredAtMs : endedAtMs;
    series.duration.observe(Math.max(0, doneAtMs - request.receivedAtMs) / 1_000);
    if (attempts.length === 0) return;
    // An answer that the endpoint broke off is no success, whatever its head said.
    const brokenOff = end.error !== undefined && BREAKS_OFF.has(end.error.code) ? end.error.code : undefined;
    const last = attempts.length - 1;
    const tries = this.metrics.attempts.of(upstream, endedAtMs);
    const { fallback } = request;
    for (let index = 0; index <= last; index++) {
      // Those on the upstream that took over are its own.
      const isOther = fallback !== undefined && index >= fallback.attemptsBefore;
      const counted = isOther ? this.metrics.attempts.of(fallback.to, endedAtMs) : tries;
      counted.count(index === last ? (brokenOff ?? attempts[index]?.result) : attempts[index]?.result);
    }
  }

  refused(direction: Direction, error: ProxyError, _peer: string, sentBytes: number): void {
    this.metrics.refused(direction, error, sentBytes);
  }
}
