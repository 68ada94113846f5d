import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { CODES, ProxyError, type ErrorCode } from '../../../src/errors.ts';
import {
  BREAKER_TABLE,
  rowOfAttempt,
  rowOfError,
  rowOfStatus,
  type BreakerRow,
  type OutcomeFacts,
} from '../../../src/resilience/breaker-table.ts';
import type { Outcome } from '../../../src/upstream/outcome.ts';

const facts: Readonly<Record<BreakerRow, OutcomeFacts>> = BREAKER_TABLE;

function failure(code: ErrorCode, requestSent?: boolean, cause?: unknown): ProxyError {
  return new ProxyError(code, code, { cause, ...(requestSent === undefined ? {} : { requestSent }) });
}

const REFUSED = Object.assign(new Error('refused'), { code: 'ECONNREFUSED' });
const TIMED_OUT = Object.assign(new Error('timed out'), { code: 'ETIMEDOUT' });

describe('the table of outcomes', () => {
  it('stands in docs/resilience.md row by row, and nothing else', () => {
    const page = readFileSync(new URL('../../../docs/resilience.md', import.meta.url), 'utf8');
    const rows = [...page.matchAll(/^\| `([a-z-]+)` \| (yes|no) \| (yes|no) \| (\w+) \| ([a-z ]+) \| (.+) \|$/gm)];
    const expected = Object.entries(facts).map(([row, { isRecoverable, feedsRun, ratio, probe, when }]) => [
      row,
      isRecoverable ? 'yes' : 'no',
      feedsRun ? 'yes' : 'no',
      ratio,
      probe,
      when,
    ]);
    expect(rows.map(([, ...cells]) => cells)).toEqual(expected);
  });

  it('never lets a recoverable outcome feed the run, nor anything that is no failure of the upstream', () => {
    for (const { isRecoverable, feedsRun, ratio } of Object.values(facts)) {
      if (isRecoverable) expect(feedsRun).toBe(false);
      if (feedsRun) expect(ratio).toBe('failure');
    }
  });

  it('has a probe fail by what is a failure of the upstream, and by nothing else', () => {
    for (const { ratio, probe } of Object.values(facts)) expect(probe === 'bad').toBe(ratio === 'failure');
  });

  const statuses: readonly (readonly [number, BreakerRow])[] = [
    [101, 'answered'],
    [200, 'answered'],
    [304, 'answered'],
    [400, 'client-error'],
    [401, 'token-expired'],
    [403, 'client-error'],
    [404, 'client-error'],
    [409, 'client-error'],
    [429, 'rate-limited'],
    [499, 'client-error'],
    [500, 'server-error'],
    [501, 'server-error'],
    [502, 'bad-gateway'],
    [503, 'unavailable'],
    [504, 'gateway-timeout'],
    [505, 'server-error'],
    [599, 'server-error'],
  ];
  it.each(statuses)('has %i as %s', (status, row) => {
    expect(rowOfStatus(status)).toBe(row);
    expect(rowOfAttempt(status >= 502 && status <= 504 ? 'gateway-error' : 'success', status, undefined)).toBe(row);
  });

  const errors: readonly (readonly [string, ProxyError, BreakerRow])[] = [
    ['a refused connection', failure('PF_CONNECT_FAILED', false, REFUSED), 'connect-refused'],
    ['a connection that ran out of our time', failure('PF_CONNECT_FAILED', false), 'connect-timeout'],
    [
      "a connection that ran out of the system's time",
      failure('PF_CONNECT_FAILED', false, TIMED_OUT),
      'connect-timeout',
    ],
    ['a reset', failure('PF_UPSTREAM_CLOSED', true), 'reset'],
    ['an idle connection found closed', failure('PF_UPSTREAM_CLOSED', false), 'not-sent'],
    ['garbage', failure('PF_UPSTREAM_PROTOCOL', true), 'protocol-error'],
    ['a deadline', failure('PF_TIMEOUT', true), 'deadline-exceeded'],
    ['a client that went away', failure('PF_CLIENT_CLOSED'), 'cancelled-by-client'],
    ['an expired token', failure('PF_UNAUTHENTICATED'), 'token-expired'],
    ['a right that is missing', failure('PF_FORBIDDEN'), 'client-error'],
    ['a limit on the rate', failure('PF_RATE_LIMITED'), 'rate-limited'],
    ['nobody to pick', failure('PF_NO_ENDPOINT'), 'refused-here'],
    ['a limit of our own', failure('PF_OVERFLOW', false), 'refused-here'],
    ['another breaker', failure('PF_BREAKER_OPEN'), 'refused-here'],
    ['an app that is down', failure('PF_APP_DOWN', false), 'not-executed'],
    ['a sidecar that stops', failure('PF_DRAINING', false), 'not-executed'],
    ['a wrong record', failure('PF_MISDIRECTED', false), 'not-executed'],
    ['a request that is wrong', failure('PF_BAD_REQUEST'), 'bug'],
    ['a bug', failure('PF_INTERNAL'), 'bug'],
  ];
  it.each(errors)('knows %s', (_what, error, row) => {
    expect(rowOfError(error)).toBe(row);
  });

  it('has a row for every code', () => {
    for (const code of Object.keys(CODES) as ErrorCode[]) expect(facts).toHaveProperty(rowOfError(failure(code)));
  });

  const attempts: readonly (readonly [Outcome, ProxyError | undefined, BreakerRow])[] = [
    ['connect-failed', failure('PF_CONNECT_FAILED', false, REFUSED), 'connect-refused'],
    ['connect-failed', failure('PF_CONNECT_FAILED', false), 'connect-timeout'],
    ['reset', failure('PF_UPSTREAM_CLOSED', true), 'reset'],
    ['protocol-error', failure('PF_UPSTREAM_PROTOCOL', true), 'protocol-error'],
    ['timeout', failure('PF_TIMEOUT', true), 'deadline-exceeded'],
    ['not-executed', undefined, 'not-executed'],
    ['not-sent', failure('PF_UPSTREAM_CLOSED', false), 'not-sent'],
    ['overflow', failure('PF_OVERFLOW', false), 'refused-here'],
    ['cancelled', failure('PF_CLIENT_CLOSED'), 'cancelled-by-client'],
    ['cancelled', failure('PF_TIMEOUT'), 'cancelled-by-us'],
    ['cancelled', undefined, 'cancelled-by-us'],
  ];
  it.each(attempts)('has an attempt that ended as %s as its row, %#', (outcome, error, row) => {
    expect(rowOfAttempt(outcome, 0, error)).toBe(row);
  });
});
