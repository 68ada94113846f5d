// The demo's client: calls a service by name through a sidecar, at a steady rate, and keeps account of every answer.
import { Agent, request } from 'undici';
import type { Clock, Timer } from '../../util/clock.ts';

const TICK_MS = 10;
/** Until the full rate is reached: processes that have just started compile what they run first. */
const RISE_MS = 1_000;

export interface LoadTotals {
  readonly sent: number;
  readonly ok: number;
  readonly failed: number;
  /** Answers of each copy, in all. */
  readonly byCopy: ReadonlyMap<string, number>;
  /** Milliseconds: quantiles over all answers so far. */
  readonly p50Ms: number;
  readonly p99Ms: number;
  readonly maxMs: number;
  /** What went wrong, with how often; at most 20 kinds. */
  readonly failures: ReadonlyMap<string, number>;
}

/** Open loop: a request is due at its time whether or not earlier ones have been answered. The rate rises in the first second. Half of them are PUTs: idempotent, so that one which meets the kill may be sent again. */
export class Load {
  private readonly clock: Clock;
  private readonly origin: string;
  private readonly host: string;
  private readonly perMs: number;
  private readonly agent = new Agent({ connections: 64, pipelining: 1 });
  private readonly latencies: number[] = [];
  private readonly byCopy = new Map<string, number>();
  private readonly failures = new Map<string, number>();
  private sent = 0;
  private ok = 0;
  private failed = 0;
  private startedMs = 0;
  private timer: Timer | undefined = undefined;
  private pending = 0;
  private onIdle: (() => void) | undefined = undefined;

  /** @param outbound `host:port` of the sidecar; @param host the name that is called. */
  constructor(clock: Clock, outbound: string, host: string, perSecond: number) {
    this.clock = clock;
    this.origin = `http://${outbound}`;
    this.host = host;
    this.perMs = perSecond / 1_000;
  }

  start(): void {
    this.startedMs = this.clock.now();
    this.tick();
  }

  /** Sends nothing more; resolves when every request has been answered. */
  async stop(): Promise<void> {
    this.timer?.cancel();
    this.timer = undefined;
    if (this.pending > 0) await new Promise<void>((resolve) => (this.onIdle = resolve));
    await this.agent.close();
  }

  get totals(): LoadTotals {
    const sorted = Float64Array.from(this.latencies).sort();
    const at = (quantile: number): number =>
      sorted[Math.min(sorted.length - 1, Math.floor(quantile * sorted.length))] ?? 0;
    return {
      sent: this.sent,
      ok: this.ok,
      failed: this.failed,
      byCopy: new Map(this.byCopy),
      p50Ms: at(0.5),
      p99Ms: at(0.99),
      maxMs: at(1),
      failures: new Map(this.failures),
    };
  }

  private tick(): void {
    const elapsedMs = this.clock.now() - this.startedMs;
    const fullMs = elapsedMs < RISE_MS ? elapsedMs ** 2 / (2 * RISE_MS) : elapsedMs - RISE_MS / 2;
    const due = Math.floor(fullMs * this.perMs);
    while (this.sent < due) this.send();
    this.timer = this.clock.setTimer(TICK_MS, () => this.tick());
  }

  private send(): void {
    const number = this.sent++;
    const startedMs = this.clock.now();
    this.pending++;
    this.call(number)
      .then(
        (copy) => {
          this.ok++;
          this.byCopy.set(copy, (this.byCopy.get(copy) ?? 0) + 1);
          this.latencies.push(this.clock.now() - startedMs);
        },
        (error: unknown) => {
          this.failed++;
          const what = error instanceof Error ? error.message : 'unknown';
          if (this.failures.size < 20 || this.failures.has(what))
            this.failures.set(what, (this.failures.get(what) ?? 0) + 1);
        },
      )
      .finally(() => {
        if (--this.pending === 0) this.onIdle?.();
      });
  }

  private async call(number: number): Promise<string> {
    const isPut = number % 2 === 1;
    const { statusCode, headers, body } = await request(`${this.origin}/v1/${number}`, {
      dispatcher: this.agent,
      method: isPut ? 'PUT' : 'GET',
      headers: { host: this.host, 'content-type': 'application/json' },
      body: isPut ? JSON.stringify({ order: number }) : null,
    });
    const text = await body.text();
    if (statusCode !== 200)
      throw new Error(`${isPut ? 'PUT' : 'GET'} answered ${statusCode} ${String(headers['x-pilotfish-code'] ?? '')}`);
    const answer = JSON.parse(text) as { copy?: string; path?: string };
    if (answer.path !== `/v1/${number}`) throw new Error('somebody else’s answer');
    return answer.copy ?? '?';
  }
}
