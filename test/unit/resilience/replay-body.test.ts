import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { ProxyError } from '../../../src/errors.ts';
import { Body, type BodyReader } from '../../../src/http/body.ts';
import { Headers } from '../../../src/http/headers.ts';
import { MAX_REPLAY_BYTES, ReplayBody } from '../../../src/resilience/replay-body.ts';
import { Source } from './source.ts';

const WHY = new ProxyError('PF_UPSTREAM_CLOSED', 'reset');

class Reader implements BodyReader {
  text = '';
  ended = false;
  trailers: Headers | undefined = undefined;
  error: ProxyError | undefined = undefined;

  onData(chunk: Buffer): void {
    this.text += chunk.toString('latin1');
  }

  onEnd(trailers: Headers | undefined): void {
    this.ended = true;
    this.trailers = trailers;
  }

  onError(error: ProxyError): void {
    this.error = error;
  }
}

function read(body: Body): Reader {
  const reader = new Reader();
  body.read(reader);
  return reader;
}

function streamed(): { readonly source: Source; readonly original: Body; readonly replay: ReplayBody } {
  const source = new Source();
  const original = source.body;
  return { source, original, replay: new ReplayBody(original) };
}

describe('a body for several attempts', () => {
  it('asks the client for nothing before an attempt reads', () => {
    const { source, replay } = streamed();
    const first = replay.open();
    expect(source.isPaused).toBe(true);
    first.cancel(WHY);
    const reader = read(replay.open());
    expect(source.isPaused).toBe(false);
    expect(reader.text).toBe('');
    expect(source.cancelled).toBeUndefined();
  });

  it('gives the next attempt what the one before had, and what comes after', () => {
    const { original, replay } = streamed();
    const first = replay.open();
    const before = read(first);
    original.push(Buffer.from('one,'));
    first.cancel(WHY);
    original.push(Buffer.from('two,'));
    const after = read(replay.open());
    original.push(Buffer.from('three'));
    original.end(Headers.of(['checksum', '1']));
    expect(before.text).toBe('one,');
    expect(after).toMatchObject({ text: 'one,two,three', ended: true });
    expect(after.trailers?.get('checksum')).toBe('1');
  });

  it('keeps the client waiting between two attempts, and while the reader does', () => {
    const { source, original, replay } = streamed();
    const first = replay.open();
    read(first);
    original.push(Buffer.from('a'));
    first.pause();
    original.push(Buffer.from('b'));
    expect(source.isPaused).toBe(true);
    first.resume();
    expect(source.isPaused).toBe(false);
    first.cancel(WHY);
    original.push(Buffer.from('c'));
    expect(source.isPaused).toBe(true);
    expect(read(replay.open()).text).toBe('abc');
  });

  it('takes a whole small body at once, and lets codecs take it so', () => {
    const replay = new ReplayBody(Body.of(Buffer.from('whole')));
    const first = replay.open();
    expect(first.length).toBe(5);
    expect(first.takeWhole(100)?.content.map(String)).toEqual(['whole']);
    expect(replay.open().takeWhole(100)?.content.map(String)).toEqual(['whole']);
  });

  it('holds a copy: what it was cut from is free', () => {
    const slab = Buffer.alloc(65_536, 'x');
    const replay = new ReplayBody(Body.of(slab.subarray(0, 10)));
    const [content] = replay.open().takeWhole(100)?.content ?? [];
    expect((content as Buffer).buffer).not.toBe(slab.buffer);
  });

  it('cannot be replayed once more was read than is held', () => {
    const { original, replay } = streamed();
    const reader = read(replay.open());
    original.push(Buffer.alloc(MAX_REPLAY_BYTES));
    expect(replay.canReplay).toBe(true);
    original.push(Buffer.alloc(1));
    expect(replay.canReplay).toBe(false);
    original.end(undefined);
    expect(reader.text).toHaveLength(MAX_REPLAY_BYTES + 1);
    expect(reader.ended).toBe(true);
  });

  it('cannot be replayed when the client failed', () => {
    const { original, replay } = streamed();
    const reader = read(replay.open());
    original.fail(new ProxyError('PF_CLIENT_CLOSED', 'gone'));
    expect(reader.error?.code).toBe('PF_CLIENT_CLOSED');
    expect(replay.canReplay).toBe(false);
  });

  it('holds nothing after the commit, and tells the client then that nobody wants the rest', () => {
    const { source, original, replay } = streamed();
    const body = replay.open();
    read(body);
    original.push(Buffer.from('a'));
    replay.commit();
    expect(replay.canReplay).toBe(false);
    original.push(Buffer.from('b'));
    body.cancel(WHY);
    expect(source.cancelled).toBe(WHY);
  });

  it('tells the client at the commit where the last attempt had given up before', () => {
    const { source, replay } = streamed();
    const body = replay.open();
    read(body);
    body.cancel(WHY);
    expect(source.cancelled).toBeUndefined();
    replay.commit();
    expect(source.cancelled).toBe(WHY);
  });

  it('does not hear an attempt that was given up', () => {
    const { source, original, replay } = streamed();
    const first = replay.open();
    read(first);
    const second = read(replay.open());
    first.pause();
    first.cancel(WHY);
    original.push(Buffer.from('x'));
    expect(second.text).toBe('x');
    expect(source.isPaused).toBe(false);
    replay.commit();
    expect(source.cancelled).toBeUndefined();
  });

  it('gives every attempt the same bytes in order, however they come', () => {
    const chunks = fc.array(fc.uint8Array({ minLength: 1, maxLength: 2_000 }), { maxLength: 20 });
    fc.assert(
      fc.property(chunks, fc.array(fc.nat(20), { maxLength: 4 }), (given, switches) => {
        const { original, replay } = streamed();
        let body = replay.open();
        let reader = read(body);
        given.forEach((chunk, index) => {
          if (switches.includes(index)) {
            body.cancel(WHY);
            body = replay.open();
            reader = read(body);
          }
          original.push(Buffer.from(chunk));
        });
        original.end(undefined);
        expect(reader.text).toBe(Buffer.concat(given).toString('latin1'));
        expect(reader.ended).toBe(true);
      }),
    );
  });
});

describe('an attempt that gave up', () => {
  it('does not end the content of the one that took its place', () => {
    const source = new Source();
    const original = source.body;
    const replay = new ReplayBody(original);
    const first = replay.open();
    first.read(new Reader());
    original.push(Buffer.from('a'));
    first.cancel(WHY);
    const reader = new Reader();
    replay.open().read(reader);
    replay.commit();
    expect(source).toMatchObject({ cancelled: undefined, isPaused: false });
    original.push(Buffer.from('b'));
    original.end(undefined);
    expect(reader).toMatchObject({ text: 'ab', ended: true });
  });
});
