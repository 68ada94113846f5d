// What holds for all messages: written and read back they are the same, however they were split; garbage is only ever refused.
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Body } from '../../../src/http/body.ts';
import { Headers } from '../../../src/http/headers.ts';
import { ProxyRequest, ProxyResponse } from '../../../src/http/message.ts';
import { lastChunk, requestHead, responseHead } from '../../../src/http1/serialize.ts';
import { systemClock } from '../../../src/util/clock.ts';
import { cut, readAnswers, readRequests } from './reading.ts';

const name = fc
  .stringMatching(/^x-[!#$%&'*+.^_`|~0-9A-Za-z-]{1,20}$/)
  .filter((text) => !/^x[-_](forwarded|pilotfish|request|real)/i.test(text));
const value = fc.stringMatching(/^(?:[!-~\x80-\xff](?:[\t -~\x80-\xff]{0,30}[!-~\x80-\xff])?)?$/);
const fields = fc.array(fc.tuple(name, value), { maxLength: 20 });
const content = fc.uint8Array({ maxLength: 200 }).map((bytes) => Buffer.from(bytes));
const cuts = fc.array(fc.nat(2_000), { maxLength: 20 });

function framed(chunks: readonly Buffer[], isChunked: boolean, trailers: Headers | undefined): string {
  const texts = chunks.filter((chunk) => chunk.length > 0).map((chunk) => chunk.toString('latin1'));
  if (!isChunked) return texts.join('');
  return texts.map((text) => `${text.length.toString(16)}\r\n${text}\r\n`).join('') + lastChunk(trailers);
}

describe('a message', () => {
  it('that is a request is read back as it was written, at any split', () => {
    const method = fc.constantFrom('GET', 'POST', 'PUT', 'M-SEARCH', 'x');
    const query = fc.stringMatching(/^(\?[!$-~]{0,20})?$/);
    fc.assert(
      fc.property(
        method,
        query,
        fields,
        fc.array(content, { maxLength: 4 }),
        fc.boolean(),
        fields,
        cuts,
        (...drawn) => {
          const [verb, search, pairs, chunks, isChunked, trailing, at] = drawn;
          const request = new ProxyRequest({
            direction: 'outbound',
            method: verb,
            scheme: 'http',
            authority: 'shop:80',
            path: '/a/b',
            query: search,
            httpVersion: 11,
            headers: Headers.of(...pairs),
            body: Body.empty,
            peer: '',
            receivedAtMs: 0,
          });
          const bytes = Buffer.concat(chunks);
          const trailers = trailing.length === 0 ? undefined : Headers.of(...trailing);
          const text = requestHead(request, isChunked ? -1 : bytes.length) + framed(chunks, isChunked, trailers);
          const wire = Buffer.from(text.repeat(2), 'latin1');
          const whole = readRequests([wire]);
          expect(whole.error).toBeUndefined();
          expect(whole.messages.length).toBe(2);
          for (const message of whole.messages) {
            expect(message.start).toBe(`${verb} shop:80 /a/b${search} 11`);
            expect(message.content).toBe(bytes.toString('latin1'));
            expect(message.trailers).toEqual(isChunked ? trailing.flat() : []);
            expect(message.fields.filter((_, index) => /^x-/i.test(message.fields[index & ~1] ?? ''))).toEqual(
              pairs.flat(),
            );
          }
          expect(readRequests(cut(wire, at))).toEqual(whole);
        },
      ),
      { numRuns: 300 },
    );
  });

  it('that is an answer is read back as it was written, at any split', () => {
    const status = fc.integer({ min: 200, max: 599 }).filter((code) => code !== 204 && code !== 304);
    fc.assert(
      fc.property(status, fields, fc.array(content, { maxLength: 4 }), fc.boolean(), cuts, (...drawn) => {
        const [code, pairs, chunks, isChunked, at] = drawn;
        const bytes = Buffer.concat(chunks);
        const response = new ProxyResponse(code, Headers.of(...pairs), Body.empty, undefined, 'Some Phrase');
        const head = responseHead(response, isChunked ? -1 : bytes.length, '', systemClock);
        const wire = Buffer.from(head + framed(chunks, isChunked, undefined), 'latin1');
        const whole = readAnswers([wire]);
        expect(whole.error).toBeUndefined();
        expect(whole.messages[0]?.start).toBe(`${code} Some Phrase 11`);
        expect(whole.messages[0]?.content).toBe(bytes.toString('latin1'));
        expect(readAnswers(cut(wire, at))).toEqual(whole);
      }),
      { numRuns: 300 },
    );
  });

  it('that is garbage is refused or waited for, and nothing else', () => {
    const piece = fc.constantFrom(
      'GET',
      ' ',
      '/',
      'HTTP/1.1',
      '\r\n',
      '\r',
      '\n',
      ':',
      'Host',
      'a',
      '\0',
      'Content-Length',
      '5',
      'chunked',
      'Transfer-Encoding',
      '\x80',
      '200',
    );
    fc.assert(
      fc.property(fc.array(piece, { maxLength: 40 }), cuts, (pieces, at) => {
        const chunks = cut(Buffer.from(pieces.join(''), 'latin1'), at);
        expect(readRequests(chunks)).toBeDefined();
        expect(readAnswers(chunks)).toBeDefined();
      }),
      { numRuns: 2_000 },
    );
  });
});
