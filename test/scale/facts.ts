// What a run has to say beside its figures: what was run, when, and on what.
import { readFileSync } from 'node:fs';
import { cpus, loadavg, release, totalmem } from 'node:os';

export interface RunFacts {
  /** As `commandText` gives it. */
  readonly command: string;
  readonly isQuick: boolean;
  /** Day on which it began, UTC: 2026-11-23. */
  readonly date: string;
  readonly seconds: number;
  readonly startedLoad: number;
  readonly machine: Machine;
}

export interface Machine {
  readonly cpu: string;
  readonly cores: number;
  readonly memoryGb: number;
  readonly system: string;
  readonly node: string;
}

/** To be called when a run begins; what it returns gives the facts when it has ended. */
export function beginRun(command: string, isQuick: boolean): () => RunFacts {
  const startedMs = performance.now();
  const date = new Date().toISOString().slice(0, 10);
  const startedLoad = loadavg()[0] ?? 0;
  return () => {
    const seconds = Math.round((performance.now() - startedMs) / 1_000);
    return { command, isQuick, date, seconds, startedLoad, machine: machine() };
  };
}

function machine(): Machine {
  const name = /^PRETTY_NAME="(.*)"$/m.exec(readFileSync('/etc/os-release', 'utf8'))?.[1] ?? 'Linux';
  return {
    cpu: cpus()[0]?.model.trim() ?? '?',
    cores: cpus().length,
    memoryGb: Math.round(totalmem() / 2 ** 30),
    system: `${name}, Linux ${release()}`,
    node: process.versions.node,
  };
}
