// A steady load for end-to-end tests: open loop, so that a stalled proxy cannot slow down what it is asked.
import { Agent, request } from 'undici';

export interface LoadResult {
  readonly sent: number;
  readonly failures: readonly string[];
  /** Milliseconds, sorted. */
  readonly latencies: readonly number[];
  /** Answers by their body. */
  readonly byBody: ReadonlyMap<string, number>;
}

/** Sends `perSecond` requests a second until stopped; every second one is a `write` (PUT, or POST) with a body, all others are GET. */
export class SteadyLoad {
  private readonly agent = new Agent({ connections: 64, pipelining: 1, headersTimeout: 20_000, bodyTimeout: 20_000 });
  private readonly failures: string[] = [];
  private readonly latencies: number[] = [];
  private readonly byBody = new Map<string, number>();
  private readonly pending = new Set<Promise<void>>();
  private readonly startedMs = performance.now();
  private readonly timer: NodeJS.Timeout;
  private sent = 0;

  private readonly port: number;
  private readonly host: string;
  private readonly write: 'PUT' | 'POST';

  constructor(port: number, host: string, perSecond: number, write: 'PUT' | 'POST' = 'POST') {
    this.port = port;
    this.host = host;
    this.write = write;
    this.timer = setInterval(() => {
      const due = ((performance.now() - this.startedMs) / 1_000) * perSecond;
      while (this.sent < due) this.send();
    }, 5);
  }

  get count(): number {
    return this.latencies.length;
  }

  /** Answers so far whose body is this. */
  answersOf(body: string): number {
    return this.byBody.get(body) ?? 0;
  }

  async stop(): Promise<LoadResult> {
    clearInterval(this.timer);
    await Promise.all(this.pending);
    await this.agent.close();
    return {
      sent: this.sent,
      failures: this.failures,
      latencies: this.latencies.sort((a, b) => a - b),
      byBody: this.byBody,
    };
  }

  private send(): void {
    const method = this.sent % 2 === 1 ? this.write : 'GET';
    const startedMs = performance.now();
    const one = this.one(method, this.sent++)
      .then((body) => {
        this.byBody.set(body, (this.byBody.get(body) ?? 0) + 1);
        this.latencies.push(performance.now() - startedMs);
      })
      .catch((error: unknown) => void this.failures.push(error instanceof Error ? error.message : String(error)))
      .finally(() => void this.pending.delete(one));
    this.pending.add(one);
  }

  private async one(method: 'GET' | 'PUT' | 'POST', number: number): Promise<string> {
    const { statusCode, headers, body } = await request(`http://127.0.0.1:${this.port}/n/${number}`, {
      dispatcher: this.agent,
      headers: { host: this.host },
      method,
      body: method === 'GET' ? null : `number ${number}`,
    });
    const text = await body.text();
    if (statusCode !== 200)
      throw new Error(
        `${method} ${number}: ${statusCode} ${String(headers['x-pilotfish-code'] ?? '')} ${text.slice(0, 200)}`,
      );
    return text;
  }
}
