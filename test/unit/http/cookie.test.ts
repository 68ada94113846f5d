import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { cookieValue } from '../../../src/http/cookie.ts';
import { Headers } from '../../../src/http/headers.ts';

describe('a cookie', () => {
  it.each([
    ['a=1; b=2', 'b', '2'],
    ['a=1;b=2', 'b', '2'],
    ['ab=1; b=2', 'b', '2'],
    ['b=2', 'b', '2'],
    ['b=', 'b', ''],
    ['b=x=y', 'b', 'x=y'],
    ['a=b=2', 'b', undefined],
    ['a="; b=2"', 'c', undefined],
    ['b; c=1', 'b', undefined],
    ['B=2', 'b', undefined],
    ['b=1; b=2', 'b', '1'],
  ])('of %j named %s is %j', (field, name, expected) => {
    expect(cookieValue(Headers.of(['Cookie', field]), name)).toBe(expected);
  });

  it('is found in whichever field it stands', () => {
    expect(cookieValue(Headers.of(['Cookie', 'a=1'], ['X', 'b=0'], ['cookie', 'b=2']), 'b')).toBe('2');
    expect(cookieValue(new Headers(), 'b')).toBeUndefined();
  });

  it('is what splitting the whole field finds', () => {
    const name = fc.stringMatching(/^[ab]{1,3}$/);
    const value = fc.stringMatching(/^[ab=]{0,4}$/);
    fc.assert(
      fc.property(fc.array(fc.tuple(name, value), { maxLength: 6 }), name, (cookies, wanted) => {
        const field = cookies.map(([key, text]) => `${key}=${text}`).join('; ');
        expect(cookieValue(Headers.of(['Cookie', field]), wanted)).toBe(cookies.find(([key]) => key === wanted)?.[1]);
      }),
    );
  });
});
