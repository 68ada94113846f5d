// Field ids: every known name in any case, nothing else, and look-alikes told apart.
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { FIELD, FIELD_ALIAS, FIELD_KIND, FIELD_OTHER, fieldId, KIND_HOP } from '../../../src/http/field.ts';

describe('fieldId', () => {
  it('knows every name, in any case', () => {
    for (const [name, id] of Object.entries(FIELD)) {
      if (name.endsWith('*')) continue;
      expect(fieldId(name)).toBe(id);
      expect(fieldId(name.toUpperCase())).toBe(id);
    }
  });

  it('knows families by their beginning', () => {
    expect(fieldId('X-Forwarded-Anything')).toBe(FIELD['x-forwarded-*']);
    expect(fieldId('x-pilotfish-secret')).toBe(FIELD['x-pilotfish-*']);
    expect(fieldId('x-forwarded')).toBe(FIELD_OTHER);
  });

  it.each([
    'Content_Length',
    'transfer_encoding',
    'X_Forwarded_For',
    'x-forwarded_any',
    'X-Pilotfish_To',
    'x_request_id',
    'max_forwards',
  ])('tells the look-alike %s', (name) => expect(fieldId(name)).toBe(FIELD_ALIAS));

  it.each([
    'user_agent',
    'My_Header',
    'cache_control',
    'Transfer--Encoding',
    'Transfer___Encoding',
    'hos',
    'hostt',
    'x',
  ])('leaves %s alone', (name) => expect(fieldId(name)).toBe(FIELD_OTHER));

  it('gives no other name an id', () => {
    const known = new Set(Object.keys(FIELD));
    fc.assert(
      fc.property(fc.stringMatching(/^[a-z-]{1,20}$/), (name) => {
        fc.pre(!known.has(name) && !/^x-(forwarded|pilotfish)-/.test(name));
        expect(fieldId(name)).toBe(FIELD_OTHER);
      }),
    );
  });

  it('marks the standing list of hop-by-hop fields', () => {
    for (const name of ['connection', 'keep-alive', 'te', 'transfer-encoding', 'upgrade', 'proxy-connection'] as const)
      expect((FIELD_KIND[FIELD[name]] ?? 0) & KIND_HOP).toBe(KIND_HOP);
  });
});
