// Holds the tables of docs/ equal to the code, both ways.
import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { CODES } from '../../../src/errors.ts';
import { METRICS } from '../../../src/telemetry/metric-catalogue.ts';
import { FLAGS } from '../../../src/telemetry/outcome.ts';
import { REGISTRATION_STATES, ENDPOINT_STATES } from '../../../src/telemetry/metric-sources.ts';
import { ADMIN_ROUTES, PROBE_ROUTES } from '../../../src/admin/routes.ts';

/** The rows of a page's tables whose first cell matches, as cells without backticks. */
function rowsOf(page: string, first: RegExp): string[][] {
  return readFileSync(new URL(`../../../docs/${page}`, import.meta.url), 'utf8')
    .split('\n')
    .filter((line) => line.startsWith('|'))
    .map((line) =>
      line
        .split('|')
        .slice(1, -1)
        .map((cell) => cell.trim().replaceAll('`', '')),
    )
    .filter(([cell]) => cell !== undefined && first.test(cell));
}

describe('documentation', () => {
  test('docs/errors.md has the whole catalogue of codes and nothing else', () => {
    const expected = Object.entries(CODES).map(([code, facts]) => [
      code,
      String(facts.status),
      facts.flag,
      facts.notExecuted ? 'yes' : 'no',
      facts.summary,
    ]);
    expect(rowsOf('errors.md', /^PF_/)).toEqual(expected);
  });

  test('docs/metrics.md has every metric and nothing else', () => {
    const expected = Object.entries(METRICS).map(([name, { type, labels, help }]) => [
      name,
      type,
      labels.join(', '),
      help,
    ]);
    expect(rowsOf('metrics.md', /^pilotfish_/)).toEqual(expected);
  });

  test('docs/metrics.md has the values of the label `state`', () => {
    const states = rowsOf('metrics.md', /^state /).map(([, values]) => values?.split(', '));
    expect(states).toEqual([ENDPOINT_STATES, REGISTRATION_STATES]);
  });

  test('docs/access-log.md has every flag and nothing else', () => {
    const flags = new Set(FLAGS.flatMap((flag) => flag.split(',')).filter((flag) => flag !== '-'));
    const documented = rowsOf('access-log.md', /^[A-Z]+$/).map(([flag]) => flag ?? '');
    expect(documented.sort()).toEqual([...flags].sort());
  });

  test('docs/admin.md has every route and nothing else', () => {
    const expected = [...ADMIN_ROUTES].flatMap(([path, route]) => [
      ...(route.get === undefined ? [] : [`GET ${path}`]),
      ...(route.post === undefined ? [] : [`POST ${path}`]),
    ]);
    expect(rowsOf('admin.md', /^(?:GET|POST) /).map(([request]) => request)).toEqual(expected);
    expect([...PROBE_ROUTES.keys()]).toEqual(['/livez', '/startupz', '/readyz', '/metrics']);
  });
});
