// `pilotfish demo`: starts the little system, breaks it under load, and says what a client saw of it.
import { sleep } from '../../util/clock.ts';
import type { Clock } from '../../util/clock.ts';
import { Load } from './load.ts';
import { line, screen, summary } from './picture.ts';
import type { CopyView } from './picture.ts';
import { System } from './system.ts';
import type { Copy } from './system.ts';

export interface DemoOptions {
  readonly clock: Clock;
  /** Leave everything running after the summary, until `signal` aborts. */
  readonly keep: boolean;
  /** A terminal: draw a live picture. */
  readonly isTerminal: boolean;
  readonly perSecond: number;
  readonly write: (text: string) => void;
  /** Aborts on Ctrl-C. */
  readonly signal: AbortSignal;
}

const INTERVAL_MS = 500;
const TOTAL_MS = 14_000;

/** Runs the demo; resolves with the exit code: 0 only if not one request failed. */
export async function runDemo(options: DemoOptions): Promise<number> {
  const system = new System();
  const stage = new Stage(options);
  try {
    options.write('Starting a client with its sidecar, and three copies of the service "orders", each with one…\n');
    const [client, ...copies] = await Promise.all([
      system.startClient(),
      system.startCopy(),
      system.startCopy(),
      system.startCopy(),
    ]);
    for (const copy of copies) stage.set(copy, 'running');
    const load = new Load(options.clock, client.outbound, 'orders', options.perSecond);
    const startedMs = options.clock.now();
    load.start();
    const shown = stage.show(load, startedMs);
    const at = (ms: number): Promise<void> =>
      sleep(options.clock, Math.max(0, startedMs + ms - options.clock.now()), options.signal);

    const [first, second] = copies;
    await at(3_000);
    stage.event(`${second.name} is killed with its sidecar (SIGKILL): no goodbye to anybody`);
    second.kill();
    stage.set(second, 'killed');
    await at(5_000);
    stage.event('another copy is started');
    const fourth = await system.startCopy();
    stage.set(fourth, 'running');
    await at(8_000);
    stage.event(`${first.name} is told to stop (SIGTERM): it leaves the registry, finishes, exits`);
    stage.set(first, 'draining');
    const exit = await first.drain();
    stage.set(first, `exit ${exit ?? 'by signal'}`);
    stage.event(`${first.name} has exited with ${exit ?? 'a signal'}`);
    await at(TOTAL_MS);
    shown.abort();
    await load.stop();

    const { totals } = load;
    options.write(summary(totals));
    if (options.keep) {
      options.write(
        `Still running. Call it:\n  curl -H 'Host: orders' http://${client.outbound}/v1/7\n  curl -x ${client.outbound} http://orders/v1/7\n`,
      );
      options.write(
        `Look at it:\n  curl http://${client.admin}/upstreams\n  curl http://${client.admin}/metrics\nCtrl-C ends it.\n`,
      );
      await new Promise<void>((resolve) => options.signal.addEventListener('abort', () => resolve(), { once: true }));
    }
    return totals.failed === 0 && totals.ok > 0 && exit === 0 ? 0 : 1;
  } finally {
    system.close();
  }
}

/** What has happened so far, and its picture. */
class Stage {
  private readonly options: DemoOptions;
  private readonly states = new Map<string, string>();
  private readonly events: string[] = [];

  constructor(options: DemoOptions) {
    this.options = options;
  }

  set(copy: Copy, state: string): void {
    this.states.set(copy.name, state);
  }

  event(text: string): void {
    this.events.push(`▸ ${text}`);
    if (!this.options.isTerminal) this.options.write(`▸ ${text}\n`);
  }

  /** Shows a frame twice a second (a line a second without a terminal) until the returned controller aborts. */
  show(load: Load, startedMs: number): AbortController {
    const { clock, isTerminal, write } = this.options;
    const everyMs = isTerminal ? INTERVAL_MS : 2 * INTERVAL_MS;
    const ended = new AbortController();
    const either = AbortSignal.any([ended.signal, this.options.signal]);
    let before = load.totals;
    let beforeMs = clock.now();
    const loop = async (): Promise<void> => {
      for (;;) {
        await sleep(clock, everyMs, either);
        const totals = load.totals;
        const tookMs = clock.now() - beforeMs;
        const rate = (now: number, then: number): number => ((now - then) * 1_000) / tookMs;
        const previous = before;
        before = totals;
        beforeMs = clock.now();
        const frame = {
          elapsedMs: clock.now() - startedMs,
          totalMs: TOTAL_MS,
          totals,
          perSecond: rate(totals.ok, previous.ok),
          copyPerSecond: new Map(
            [...totals.byCopy].map(([name, count]) => [name, rate(count, previous.byCopy.get(name) ?? 0)]),
          ),
          copies: [...this.states].map(([name, state]): CopyView => ({ name, state })),
          events: this.events,
        };
        write(isTerminal ? screen(frame) : line(frame));
      }
    };
    loop().catch(() => undefined); // Ends by the abort.
    return ended;
  }
}
