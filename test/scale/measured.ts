// The sidecar that is measured: a real process with its listeners, and the probe inside.
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { killAtExit } from '../support/children.ts';
import { until } from '../support/until.ts';
import { cpuSeconds, delay, lastOf, residentMb, type Made, type Report, type Seen } from './figures.ts';

const here = (path: string): string => fileURLToPath(new URL(path, import.meta.url));

/** How long the last changes may take to be seen, in ms; what takes longer is lost. */
const SEEN_WITHIN_MS = 60_000;
const ASK_EVERY_MS = 50;

/** What a stretch of time cost, and what became of the changes that were made in it. */
export interface Stretch extends Report {
  readonly made: readonly Made[];
  /** Instances whose last change has not been seen. */
  readonly missing: number;
  /** Share of one core. */
  readonly cpu: number;
  readonly residentMb: number;
  readonly seconds: number;
}

export class MeasuredSidecar {
  private readonly child: ChildProcess;
  private readonly directory: string;

  /** @param url `PILOTFISH_REGISTRY`. @param services names of the upstreams in its configuration. */
  constructor(url: string, services: readonly string[]) {
    this.directory = mkdtempSync(join(tmpdir(), 'pilotfish-scale-'));
    const config = join(this.directory, 'sidecar.yaml');
    writeFileSync(
      config,
      `log: { level: error }\nupstreams: { ${services.map((name) => `${name}: {}`).join(', ')} }\n`,
    );
    const words = ['--import', here('./probe.js'), here('../../src/main.js'), 'run', '-c', config];
    const env = { PILOTFISH_REGISTRY: url, PILOTFISH_OUTBOUND: '127.0.0.1:0', PILOTFISH_ADMIN: '127.0.0.1:0' };
    this.child = spawn(process.execPath, words, {
      env: { ...process.env, ...env },
      stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
    });
    killAtExit(this.child);
  }

  /** Resolves with the ms that it took until all lists were there. */
  async complete(services: number, instances: number): Promise<number> {
    const startMs = performance.now();
    await until(
      `${services} lists of ${instances} instances`,
      async () => {
        const report = await this.ask('report');
        return report.services === services && report.instances === instances;
      },
      { withinMs: 180_000, everyMs: 20 },
    );
    return performance.now() - startMs;
  }

  /** Runs `work`, whose cost is told, and waits until the last change of each instance has been seen, a minute at most. */
  async during(work: () => Promise<readonly Made[]>): Promise<Stretch> {
    await this.ask('reset');
    const [startMs, before] = [performance.now(), cpuSeconds(this.pid)];
    const made = await work();
    const seconds = (performance.now() - startMs) / 1_000;
    const cpu = (cpuSeconds(this.pid) - before) / seconds;
    const report = await this.ask('report');
    const { seen, missing } = await this.lastSeen(made, report.seen);
    return { ...report, made, seen, missing, cpu, seconds, residentMb: residentMb(this.pid) };
  }

  async close(): Promise<void> {
    this.child.kill('SIGKILL');
    rmSync(this.directory, { recursive: true });
    if (this.child.exitCode === null && this.child.signalCode === null) await once(this.child, 'exit');
  }

  private async lastSeen(made: readonly Made[], before: readonly Seen[]): Promise<{ seen: Seen[]; missing: number }> {
    const awaited = lastOf(made);
    const seen: Seen[] = [];
    const startMs = performance.now();
    for (let news = before; ; news = (await this.ask('report')).seen) {
      seen.push(...news);
      for (const { id, at } of news) if (awaited.get(id) === at) awaited.delete(id);
      if (awaited.size === 0 || performance.now() - startMs > SEEN_WITHIN_MS) return { seen, missing: awaited.size };
      await delay(ASK_EVERY_MS);
    }
  }

  private get pid(): number {
    return this.child.pid ?? 0;
  }

  private async ask(what: 'report' | 'reset'): Promise<Report> {
    const answer = once(this.child, 'message', { signal: AbortSignal.timeout(30_000) });
    this.child.send(what);
    return ((await answer) as [Report])[0];
  }
}
