import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { asciiJson, jsonText } from '../../../src/telemetry/json-text.ts';
import { millisecondsText, MomentText } from '../../../src/telemetry/number-text.ts';

const PRINTABLE = /^[ -~]*$/;
/** All 16-bit units, lone surrogates too. */
const anyText = fc.string({ unit: fc.integer({ min: 0, max: 0xffff }).map((code) => String.fromCharCode(code)) });
const latin1Text = fc.string({ unit: fc.integer({ min: 0, max: 0xff }).map((code) => String.fromCharCode(code)) });

describe('text in a JSON line', () => {
  test('comes back as it was, for any text', () => {
    fc.assert(
      fc.property(fc.oneof(anyText, latin1Text, fc.string()), (text) => {
        const escaped = jsonText(text, 1_000);
        expect(JSON.parse(`"${escaped}"`)).toBe(text);
        expect(escaped).toMatch(PRINTABLE);
      }),
      { numRuns: 2_000 },
    );
  });

  test('every single character is escaped where it has to be', () => {
    const chars = Array.from({ length: 0x10000 }, (_, code) => String.fromCharCode(code));
    expect(chars.filter((char) => JSON.parse(`"${jsonText(char, 10)}"`) !== char)).toEqual([]);
  });

  test('what needs no escape is given back itself', () => {
    expect(jsonText('/v1/orders?x=1&y', 100)).toBe('/v1/orders?x=1&y');
  });

  test('what is too long is cut, and says so', () => {
    expect(jsonText('abcdef', 3)).toBe('abc...');
    expect(jsonText('abc', 3)).toBe('abc');
    expect(JSON.parse(`"${jsonText('ab\u{1f600}', 3)}"`)).toBe('ab\ud83d...');
  });

  test('another JSON text keeps its meaning in ASCII', () => {
    fc.assert(
      fc.property(fc.jsonValue(), anyText, (value, text) => {
        const line = `${JSON.stringify({ value, text })}\n`;
        const ascii = asciiJson(line);
        expect(ascii).toMatch(/^[ -~]*\n$/);
        expect(JSON.parse(ascii)).toEqual(JSON.parse(line));
      }),
    );
  });
});

describe('numbers in a JSON line', () => {
  test('a duration keeps its microseconds', () => {
    fc.assert(
      fc.property(fc.double({ min: 0, max: 1e9, noNaN: true }), (ms) => {
        expect(Math.abs(JSON.parse(millisecondsText(ms)) - ms)).toBeLessThanOrEqual(0.00051);
      }),
    );
    expect(millisecondsText(1.0005)).toBe('1.001');
    expect(millisecondsText(7)).toBe('7');
    expect(millisecondsText(0.05)).toBe('0.050');
  });

  test('what is no duration is 0', () => {
    for (const ms of [-1, Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY, 0]) {
      expect(millisecondsText(ms)).toBe('0');
    }
  });

  test('a moment is what Date prints', () => {
    const moment = new MomentText();
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 4_102_444_800_000 }), fc.nat({ max: 1_500 }), (wallMs, laterMs) => {
        expect(moment.of(wallMs)).toBe(new Date(wallMs).toISOString());
        expect(moment.of(wallMs + laterMs + 0.25)).toBe(new Date(wallMs + laterMs).toISOString());
      }),
    );
  });
});
