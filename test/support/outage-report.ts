// Figures of outages: lines for the terminal, and docs/outages.md where the long form was run.
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { cpus } from 'node:os';
import { fileURLToPath } from 'node:url';
import type { LoadResult } from './load.ts';

/** Milliseconds that a case has measured besides its load. */
export interface OutageFigures {
  /** From when the registry answered again to both records there, each once. */
  readonly backMs?: number;
  /** From a sidecar's listeners to `degraded`. */
  readonly readyMs?: number;
  /** From a kill to the caller not picking who was killed, and to the registry not naming it. */
  readonly notPickedMs?: number;
  readonly goneMs?: number;
}

const PAGE = fileURLToPath(new URL('../../docs/outages.md', import.meta.url));

/** Of one registry: rows that the page has of others stay in it. */
export class OutageReport {
  private readonly rows: string[] = [];
  private readonly registry: string;
  private readonly form: { readonly outageS: number; readonly perSecond: number };

  /** @param registry like `etcd 3.6.16` */
  constructor(registry: string, form: { readonly outageS: number; readonly perSecond: number }) {
    this.registry = registry;
    this.form = form;
  }

  outage(what: string, { sent, failures, latencies }: LoadResult, figures: OutageFigures): void {
    const p99 = latencies[Math.floor(latencies.length * 0.99)] ?? NaN;
    const told = [
      figures.backMs === undefined ? '' : `own records back after ${seconds(figures.backMs)}`,
      figures.readyMs === undefined ? '' : `ready after ${seconds(figures.readyMs)}`,
      figures.notPickedMs === undefined ? '' : `not picked after ${seconds(figures.notPickedMs)}`,
      figures.goneMs === undefined ? '' : `out of the registry after ${seconds(figures.goneMs)}`,
    ].filter((text) => text !== '');
    const row = [this.registry, what, sent, failures.length, `${p99.toFixed(1)} ms`, told.join(', ')].join(' | ');
    this.rows.push(`| ${row} |`);
    console.log(row);
  }

  /** Writes the page where `isPublished`. */
  write(isPublished: boolean): void {
    if (!isPublished) return;
    const { outageS, perSecond } = this.form;
    const lines = [
      '# Outages of registries',
      '',
      'What it costs an app when the registry dies, hangs or forgets everything: nothing, while there is somebody to call.',
      `Written by \`npm run outage\` on ${new Date().toISOString().slice(0, 10)} (Node ${process.versions.node}, ${cpus().length} shared`,
      `cores): real servers, two copies of a service with a sidecar each, one sidecar that calls them with ${perSecond} requests a`,
      `second, every other one a POST, through both sidecars; each outage lasts ${outageS} s. \`npm test\` runs the same for 5 s.`,
      '',
      '| registry | outage | requests | failed | p99 | and |',
      '|---|---|---|---|---|---|',
      ...[...this.rowsOfOthers(), ...this.rows].sort(byRegistry),
      '',
      'A copy that is killed is left out at once, by its failures (PUT instead of POST there: what was sent to a process that',
      'died cannot be sent again unless it is idempotent); the registry forgets it later. A sidecar that starts while the',
      'registry is away reads the lists that the one before it has written (`registry.snapshots`) and says `degraded`.',
      '',
      'A copy that is *stopped* while the registry is away has nobody to tell. While it settles (`drain.settle`) its answers',
      'end their connections, so that no kept one is closed under a request; a caller that had nothing to send in all that time',
      'learns it when its idle connection ends.',
      '',
    ];
    writeFileSync(PAGE, lines.join('\n'));
  }

  private rowsOfOthers(): string[] {
    if (!existsSync(PAGE)) return [];
    const lines = readFileSync(PAGE, 'utf8').split('\n');
    return lines.filter((line) => ROW.test(line) && nameOf(line) !== nameOf(`| ${this.registry}`));
  }
}

/** A row of the table: a registry with its version. */
const ROW = /^\| \w+ \d/;

/** `etcd` of a row of any version. */
function nameOf(row: string): string {
  return row.split(' ')[1] ?? '';
}

/** In the order in which they were always told; rows of one registry stay as they are. */
function byRegistry(one: string, other: string): number {
  const order = ['etcd', 'Consul', 'Nacos'];
  return order.indexOf(nameOf(one)) - order.indexOf(nameOf(other));
}

function seconds(ms: number): string {
  return `${(ms / 1_000).toFixed(2)} s`;
}
