// What `pilotfish status` shows a person, made of the admin listener's JSON. Fields that are not there are left out.
import { printable, table } from './table.ts';

/** The four answers that make up a status. */
export interface StatusParts {
  readonly readiness: unknown;
  readonly registration?: unknown;
  readonly registry?: unknown;
  readonly upstreams?: unknown;
}

/** State first, then reasons, own record, registry, and every upstream with each of its endpoints. */
export function statusText(parts: StatusParts): string {
  return [readiness(parts.readiness), record(parts.registration), registry(parts.registry), upstreams(parts.upstreams)]
    .filter((part) => part !== '')
    .join('\n');
}

function readiness(value: unknown): string {
  const phase = text(value, 'phase');
  const head = `${text(value, 'status') || 'unknown'}${phase === '' ? '' : ` (${phase})`}`;
  const reasons = list(value, 'reasons').map((reason) => `  ${printable(String(reason))}\n`);
  return `${printable(head)}\n${reasons.join('')}`;
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
  if (all.length === 0) return 'no upstreams yet\n';
  return all.map(upstream).join('\n');
}

function upstream(value: unknown): string {
  const endpoints = list(value, 'endpoints');
  const details = ['state', 'balancer'].map((name) => text(value, name)).filter((detail) => detail !== '');
  const head = `upstream ${[text(value, 'name'), ...details].join(', ')}`;
  if (endpoints.length === 0) return `${printable(head)}\n  no endpoints\n`;
  const rows = endpoints.map((endpoint) => [
    `  ${text(endpoint, 'address')}`,
    text(endpoint, 'id'),
    text(endpoint, 'state'),
    text(endpoint, 'weight'),
    text(endpoint, 'inFlight'),
    number(field(endpoint, 'latencyMs')),
    text(endpoint, 'why'),
  ]);
  return `${printable(head)}\n${table([['  ADDRESS', 'ID', 'STATE', 'WEIGHT', 'IN FLIGHT', 'LATENCY', 'WHY'], ...rows])}`;
}

function number(value: unknown): string {
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
