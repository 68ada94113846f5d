// What `pilotfish status` shows a person, made of the admin listener's JSON. Fields that are not there are left out.
import { printable } from '../config/problem.ts';
import { table } from './table.ts';

/** The four answers that make up a status. */
export interface StatusParts {
  readonly readiness: unknown;
  readonly registration?: unknown;
  readonly registry?: unknown;
  readonly upstreams?: unknown;
}

/** What a panicking picker does, by `panic`. */
const PANICS: Readonly<Record<string, string>> = {
  doubted: 'few are undoubted: doubted ones are used like them',
  all: 'few can be used: failing ones are used like them',
};

/** State first, then reasons, own record, registry, and every upstream with each of its endpoints. */
export function statusText(parts: StatusParts): string {
  return [readiness(parts.readiness), record(parts.registration), registry(parts.registry), upstreams(parts.upstreams)]
    .filter((part) => part !== '')
    .join('\n');
}

function readiness(value: unknown): string {
  const phase = text(value, 'phase');
  const head = `${text(value, 'status') || 'unknown'}${phase === '' ? '' : ` (${phase})`}`;
  const reasons = list(value, 'reasons').map((reason) => line(`  ${String(reason)}`));
  return [line(head), ...reasons].join('');
}

function record(value: unknown): string {
  const instance = field(value, 'instance');
  const id = text(instance, 'id');
  if (id === '') return '';
  const reason = text(value, 'reason');
  const address = `${text(instance, 'host')}:${text(instance, 'port')}`;
  return table([['registration', text(value, 'state'), id, address, reason]]);
}

function registry(value: unknown): string {
  const name = text(value, 'name');
  if (name === '') return '';
  const isUp = field(value, 'isUp');
  const state = isUp === true ? 'up' : isUp === false ? 'not reachable' : 'not tried yet';
  return table([['registry', name, state]]);
}

function upstreams(value: unknown): string {
  if (value === undefined) return '';
  const all = Array.isArray(value) ? (value as unknown[]) : [];
  return all.length === 0 ? 'no upstreams yet\n' : all.map(upstream).join('\n');
}

function upstream(value: unknown): string {
  const endpoints = list(value, 'endpoints');
  const stalenessMs = field(value, 'stalenessMs');
  const details = [
    text(value, 'name'),
    text(value, 'state'),
    typeof stalenessMs === 'number' && stalenessMs >= 1_000
      ? `last heard ${Math.round(stalenessMs / 1_000)} s ago`
      : '',
    text(value, 'balancer'),
    PANICS[String(field(value, 'panic'))] ?? '',
  ];
  const head = `upstream ${details.filter((detail) => detail !== '').join(', ')}`;
  const rejected = list(value, 'rejected').map(
    (one) => `  record ${text(one, 'ref')} rejected: ${text(one, 'reason')}`,
  );
  const rows = endpoints.map((endpoint) => [
    `  ${text(endpoint, 'address')}`,
    text(endpoint, 'id'),
    text(endpoint, 'state'),
    duration(field(endpoint, 'stateForMs')),
    text(endpoint, 'weight'),
    text(endpoint, 'inFlight'),
    latency(field(endpoint, 'latencyMs')),
    why(endpoint),
  ]);
  const columns = ['  ADDRESS', 'ID', 'STATE', 'FOR', 'WEIGHT', 'IN FLIGHT', 'LATENCY', 'WHY'];
  const body = rows.length === 0 ? '  no endpoints\n' : table([columns, ...rows]);
  return [line(head), body, ...rejected.map(line)].join('');
}

function line(content: string): string {
  return `${printable(content)}\n`;
}

/** In or out, why, until when, and what it would take to come back. */
function why(endpoint: unknown): string {
  const back = text(endpoint, 'back');
  return back === '' ? text(endpoint, 'why') : `${text(endpoint, 'why')}; back when ${back}`;
}

/** In the largest unit that is not 0, as far as a person is interested. */
function duration(value: unknown): string {
  if (typeof value !== 'number') return '-';
  const seconds = Math.floor(value / 1_000);
  if (seconds < 120) return `${seconds} s`;
  return seconds < 7_200 ? `${Math.floor(seconds / 60)} min` : `${Math.floor(seconds / 3_600)} h`;
}

function latency(value: unknown): string {
  return typeof value === 'number' ? `${value.toFixed(1)} ms` : '-';
}

function field(value: unknown, name: string): unknown {
  return typeof value === 'object' && value !== null ? (value as Record<string, unknown>)[name] : undefined;
}

function text(value: unknown, name: string): string {
  const found = field(value, name);
  return typeof found === 'string' || typeof found === 'number' || typeof found === 'boolean' ? String(found) : '';
}

function list(value: unknown, name: string): readonly unknown[] {
  const found = field(value, name);
  return Array.isArray(found) ? (found as unknown[]) : [];
}
