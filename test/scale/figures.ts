// What the processes of a run tell each other, and what /proc says of them.
import { readFileSync } from 'node:fs';

/** What the sidecar that is measured answers to `report`. */
export interface Report {
  /** Lists that reached an upstream, and instances in them. */
  readonly services: number;
  readonly instances: number;
  /** Changes that reached their picker since it last answered. */
  readonly seen: readonly Seen[];
  /** 99th percentile of the event loop's delay since the last `reset`, in ms. */
  readonly loopP99Ms: number;
  /** HTTP requests, and of Nacos calls over gRPC, that it has made to the registry since the last `reset`. */
  readonly requests: number;
}

/** A change that has reached the picker. */
export interface Seen {
  /** Of the instance, and the stamp in its record: which change. */
  readonly id: string;
  readonly at: string;
  /** When the picker was there, in µs of the stamps' clock. */
  readonly seenUs: number;
}

/** A change as who made it saw it. */
export interface Made {
  readonly id: string;
  readonly at: string;
  /** When the registry had acknowledged it. */
  readonly acknowledgedUs: number;
}

/** The last change of each instance that was changed, by its id: what a picker holds in the end if none is lost. `made` in order. */
export function lastOf(made: readonly Made[]): Map<string, string> {
  return new Map(made.map(({ id, at }) => [id, at]));
}

/** What a process of the fleet answers to `state`. */
export interface FleetState {
  readonly registered: number;
  readonly live: number;
  /** Watches that hold all that were registered. */
  readonly complete: number;
  /** Sent to the registry so far. */
  readonly requests: number;
}

/** Key of the metadata in which a writer says when it wrote, in µs of the clock that all processes of a host share. */
export const STAMP = 'at';

/** µs of that clock. */
export function nowUs(): number {
  return Number(process.hrtime.bigint() / 1_000n);
}

/** User and system time of a process so far, in s; Linux counts it in hundredths. */
export function cpuSeconds(pid: number): number {
  const fields = readFileSync(`/proc/${pid}/stat`, 'utf8')
    .replace(/^.*\) /s, '')
    .split(' ');
  return (Number(fields[11]) + Number(fields[12])) / 100;
}

/** Resident memory, in MB. */
export function residentMb(pid: number): number {
  return (Number(/^VmRSS:\s+(\d+) kB/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]) * 1_024) / 1e6;
}

/** A share of all values is at most this; NaN of none. */
export function percentile(values: readonly number[], share: number): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? NaN;
}

export function delay(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
