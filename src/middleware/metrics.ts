// HOT PATH. Counts a request when its answer has ended; one of the listener's completion hooks.
import type { ProxyError } from '../errors.ts';
import type { Direction, FallbackTaken, ProxyRequest } from '../http/message.ts';
import type { DownstreamEnd } from '../http/serving.ts';
import type { Metrics } from '../telemetry/metrics.ts';
import { flagOf, statusOf } from '../telemetry/outcome.ts';

/** What a listener runs when a message is done with; once for each, never throws. */
export interface CompletionHooks {
  complete(request: ProxyRequest, end: DownstreamEnd): void;
  /** The message was refused before it became a request. */
  refused(direction: Direction, error: ProxyError, peer: string, sentBytes: number): void;
}

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
    if (request.fallback !== undefined) {
      this.countBoth(request, request.fallback, endedAtMs);
      return;
    }
    const tries = this.metrics.attempts.of(upstream, endedAtMs);
    for (const attempt of attempts) tries.count(attempt.result);
  }

  refused(direction: Direction, error: ProxyError, _peer: string, sentBytes: number): void {
    this.metrics.refused(direction, error, sentBytes);
  }

  /** Tries on the first upstream, and those on the one that took over. */
  private countBoth({ upstream, attempts }: ProxyRequest, { to, attemptsBefore }: FallbackTaken, nowMs: number): void {
    for (const [index, { result }] of attempts.entries()) {
      this.metrics.attempts.of(index < attemptsBefore ? upstream : to, nowMs).count(result);
    }
  }
}
