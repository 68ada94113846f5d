import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { readCallFields, retryAfterMs, writeCallFields } from '../../../src/http/call-fields.ts';
import { Headers } from '../../../src/http/headers.ts';

describe('the fields of a call', () => {
  it('say nothing where they are not there, or cannot be read', () => {
    for (const fields of [[], [['X-Request-Attempt', 'two']], [['grpc-timeout', '1s']]] as const) {
      expect(readCallFields(Headers.of(...fields))).toEqual({ attempt: 1, timeoutMs: undefined });
    }
  });

  it.each([
    ['1H', 3_600_000],
    ['2M', 120_000],
    ['3S', 3_000],
    ['99999999m', 86_400_000],
    ['1500u', 2],
    ['1n', 1],
    ['0m', 1],
    ['123456789m', undefined],
    ['m', undefined],
  ])('have grpc-timeout %s as %s ms', (value, expected) => {
    expect(readCallFields(Headers.of(['grpc-timeout', value])).timeoutMs).toBe(expected);
  });

  it('are believed downwards only: of several the shortest time and the highest attempt', () => {
    const headers = Headers.of(
      ['x-request-attempt', '2'],
      ['X-Request-Attempt', '3'],
      ['x-request-timeout-ms', '900'],
      ['x-request-timeout-ms', '100'],
      ['grpc-timeout', '1S'],
    );
    expect(readCallFields(headers)).toEqual({ attempt: 3, timeoutMs: 100 });
  });

  it('are bounded, whatever stands in them', () => {
    const value = fc.oneof(fc.string(), fc.integer().map(String), fc.double().map(String));
    const name = fc.constantFrom('x-request-attempt', 'x-request-timeout-ms', 'grpc-timeout');
    fc.assert(
      fc.property(fc.array(fc.tuple(name, value)), (fields) => {
        const { attempt, timeoutMs = 1 } = readCallFields(Headers.of(...fields));
        return (
          Number.isInteger(attempt) && attempt >= 1 && attempt <= 1_000 && timeoutMs >= 1 && timeoutMs <= 86_400_000
        );
      }),
    );
  });

  it('are replaced by what is written, and read back', () => {
    const headers = Headers.of(
      ['x-request-attempt', '7'],
      ['x-request-attempt', '8'],
      ['X-Request-Timeout-Ms', '1'],
      ['Host', 'orders'],
    );
    writeCallFields(headers, 2, '250');
    expect(readCallFields(headers)).toEqual({ attempt: 2, timeoutMs: 250 });
    expect(headers.getAll('x-request-attempt')).toEqual(['2']);
    expect(headers.getAll('x-request-timeout-ms')).toEqual(['250']);
    expect(headers.has('grpc-timeout')).toBe(false);
  });

  it('tell gRPC in its own field, too', () => {
    const headers = Headers.of(['content-type', 'application/grpc+proto'], ['grpc-timeout', '10S']);
    writeCallFields(headers, 1, '250');
    expect(headers.getAll('grpc-timeout')).toEqual(['250m']);
  });
});

describe('Retry-After', () => {
  it.each([
    ['0', 0],
    ['120', 120_000],
    ['999999999', 86_400_000],
    ['1.5', undefined],
    ['-1', undefined],
    ['Wed, 21 Oct 2026 07:28:00 GMT', undefined],
  ])('%s is %s ms', (value, expected) => {
    expect(retryAfterMs(Headers.of(['Retry-After', value]))).toBe(expected);
  });
});
