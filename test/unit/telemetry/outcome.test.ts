import { describe, expect, test } from 'vitest';
import { CODES, ProxyError, type ErrorCode } from '../../../src/errors.ts';
import { codeOf, FLAGS, flagOf, statusOf, type AttemptFacts, type EndFacts } from '../../../src/telemetry/outcome.ts';

function answered(status: number, code?: ErrorCode): EndFacts {
  return { response: { status, code }, error: undefined };
}

function broken(code: ErrorCode, status?: number): EndFacts {
  return { response: status === undefined ? undefined : { status, code: undefined }, error: new ProxyError(code, 'x') };
}

function flag(end: EndFacts, ...results: (number | ErrorCode | undefined)[]): string | undefined {
  const attempts: AttemptFacts = results.map((result) => ({ result }));
  return FLAGS[flagOf(end, attempts)];
}

describe('response flags', () => {
  test("an upstream's own answer has none", () => {
    expect(flag(answered(200), 200)).toBe('-');
    expect(flag(answered(503), 503)).toBe('-');
  });

  test.each(Object.entries(CODES))("%s has its code's flag, with a head sent or without", (name, facts) => {
    const code = name as ErrorCode;
    expect(flag(answered(facts.status, code))).toBe(facts.flag);
    expect(flag(broken(code))).toBe(facts.flag);
    expect(flag(broken(code, 200))).toBe(facts.flag);
  });

  test('URX is added where the last of several tries failed as well', () => {
    expect(flag(answered(502, 'PF_CONNECT_FAILED'), 'PF_CONNECT_FAILED', 'PF_CONNECT_FAILED')).toBe('UF,URX');
    expect(flag(answered(504, 'PF_TIMEOUT'), 503, 'PF_TIMEOUT')).toBe('UT,URX');
    expect(flag(answered(503), 503, 503)).toBe('URX');
    expect(flag(answered(500), 500, 500)).toBe('URX');
  });

  test('a retry that succeeded, one try alone and a client that went away have no URX', () => {
    expect(flag(answered(200), 'PF_CONNECT_FAILED', 200)).toBe('-');
    expect(flag(answered(500), 'PF_CONNECT_FAILED', 500)).toBe('-');
    expect(flag(answered(502, 'PF_CONNECT_FAILED'), 'PF_CONNECT_FAILED')).toBe('UF');
    expect(flag(broken('PF_CLIENT_CLOSED'), 'PF_CONNECT_FAILED', undefined)).toBe('DC');
    expect(flag(broken('PF_CLIENT_CLOSED'), 'PF_CONNECT_FAILED', 'PF_CONNECT_FAILED')).toBe('DC');
  });

  test('nothing sent and nothing known: the client went away', () => {
    const end = { response: undefined, error: undefined };
    expect(flag(end)).toBe('DC');
    expect(codeOf(end)).toBe('PF_CLIENT_CLOSED');
    expect(statusOf(end)).toBe(499);
  });
});

describe('status', () => {
  test('is that of the answer, also where it broke off', () => {
    expect(statusOf(answered(204))).toBe(204);
    expect(statusOf(broken('PF_UPSTREAM_CLOSED', 200))).toBe(200);
  });

  test('is 499 for a client that went away, also in the middle of an answer', () => {
    expect(statusOf(broken('PF_CLIENT_CLOSED'))).toBe(499);
    expect(statusOf(broken('PF_CLIENT_CLOSED', 200))).toBe(499);
  });

  test('is that of the error where no head was sent', () => {
    expect(statusOf(broken('PF_TIMEOUT'))).toBe(504);
  });
});
