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
  return [line(head), ...resilience(value).map((note) => line(`  ${note}`)), body, ...rejected.map(line)].join('');
}

/** What stands around the endpoints: a breaker that is not closed, limits, and what is configured beyond them. */
function resilience(value: unknown): string[] {
  const notes = [
    breaker(field(value, 'breaker')),
    limits(field(value, 'load'), field(value, 'retryBudgetRatio')),
    concurrency(field(value, 'concurrency')),
    hedging(field(value, 'hedging')),
    fallback(field(value, 'fallback')),
  ];
  return notes.filter((note) => note !== '');
}

function breaker(value: unknown): string {
  const state = text(value, 'state');
  if (state === '' || state === 'closed') return '';
  const untilMs = field(value, 'untilMs');
  const until = typeof untilMs === 'number' ? `, the first probe in ${Math.ceil(untilMs)} ms` : '';
  return `breaker ${state} for ${duration(field(value, 'sinceMs'))}${until}: ${text(value, 'why')}`;
}

function limits(load: unknown, budgetRatio: unknown): string {
  if (typeof load !== 'object' || load === null) return '';
  const inUse = Object.entries(load).map(([name, one]) => `${name} ${text(one, 'now')}/${text(one, 'limit')}`);
  const budget = typeof budgetRatio === 'number' ? [`retry budget ${Math.round(budgetRatio * 100)} % left`] : [];
  return `limits: ${[...inUse, ...budget].join(', ')}`;
}

function concurrency(value: unknown): string {
  const limit = text(value, 'limit');
  return limit === ''
    ? ''
    : `adaptive concurrency: ${text(value, 'inFlight')}/${limit}, ${text(value, 'rejected')} refused so far`;
}

function hedging(value: unknown): string {
  const delay = text(value, 'delay');
  if (delay === '') return '';
  const counts = ['won', 'lost', 'refused'].map((name) => `${text(value, name)} ${name}`);
  return `hedging after ${delay} (${latency(field(value, 'delayMs'))}): ${counts.join(', ')}`;
}

function fallback(value: unknown): string {
  const to = text(value, 'to');
  if (to === '') return '';
  const causes = Object.entries(field(value, 'taken') ?? {}).map(([cause, requests]) => `${cause} ${String(requests)}`);
  const lastAgoMs = field(value, 'lastAgoMs');
  const last = typeof lastAgoMs === 'number' ? `, last ${duration(lastAgoMs)} ago: ${text(value, 'lastWhy')}` : '';
  return `fallback to ${to}: ${causes.length === 0 ? 'never taken' : `taken for ${causes.join(', ')}`}${last}`;
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
