// A body between its producer and its one reader.
import { describe, expect, it } from 'vitest';
import { ProxyError } from '../../../src/errors.ts';
import { Body, type BodyReader, type BodySource } from '../../../src/http/body.ts';

/** Writes down what a body asks of its source and tells its reader. */
class Log implements BodySource, BodyReader {
  readonly lines: string[] = [];
  pauseBody(): void {
    this.lines.push('pause');
  }
  resumeBody(): void {
    this.lines.push('resume');
  }
  cancelBody(): void {
    this.lines.push('cancel');
  }
  onData(chunk: Buffer): void {
    this.lines.push(`data ${chunk.toString()}`);
  }
  onEnd(): void {
    this.lines.push('end');
  }
  onError(error: ProxyError): void {
    this.lines.push(error.code);
  }
}

const bytes = (text: string): Buffer => Buffer.from(text);
const broken = new ProxyError('PF_UPSTREAM_CLOSED', 'broken');

describe('a body', () => {
  it('asks for more only once somebody reads it, and after what was held', () => {
    const log = new Log();
    const body = new Body(log, undefined);
    body.push(bytes('a'));
    expect(log.lines).toEqual([]);
    expect(body.wantsNothing).toBe(true);
    body.read(log);
    expect(log.lines).toEqual(['data a', 'resume']);
    expect(body.wantsNothing).toBe(false);
  });

  it('delivers no empty chunk: framed as one it would be the last', () => {
    const log = new Log();
    const body = new Body(log, undefined);
    body.push(bytes(''));
    body.read(log);
    body.push(bytes(''));
    body.end(undefined);
    expect(log.lines).toEqual(['resume', 'end']);
  });

  it('holds what comes while it is paused, in order', () => {
    const log = new Log();
    const body = new Body(log, undefined);
    body.read(log);
    body.pause();
    body.push(bytes('a'));
    body.push(bytes('b'));
    body.end(undefined);
    body.resume();
    expect(log.lines).toEqual(['resume', 'pause', 'data a', 'data b', 'end']);
  });

  it('delivers what is held before an error', () => {
    const log = new Log();
    const body = new Body(undefined, undefined);
    body.push(bytes('a'));
    body.fail(broken);
    body.end(undefined);
    body.read(log);
    expect(log.lines).toEqual(['data a', 'PF_UPSTREAM_CLOSED']);
  });

  it('that is cancelled tells its source once, and its reader nothing', () => {
    const log = new Log();
    const body = new Body(log, undefined);
    body.read(log);
    body.cancel(broken);
    body.cancel(broken);
    body.push(bytes('a'));
    body.fail(broken);
    expect(log.lines).toEqual(['resume', 'cancel']);
  });

  it('may be cancelled by its reader in the middle of what is held', () => {
    const log = new Log();
    const body = new Body(log, undefined);
    body.push(bytes('a'));
    body.push(bytes('b'));
    body.read({
      onData: () => body.cancel(broken),
      onEnd: () => log.lines.push('end'),
      onError: () => log.lines.push('error'),
    });
    expect(log.lines).toEqual(['cancel']);
  });

  it('gives its reader bytes, also of what is held as text', () => {
    const read: Buffer[] = [];
    const body = new Body(undefined, 4);
    body.push('\u00ff\u0000');
    body.read({ onData: (chunk) => read.push(chunk), onEnd: () => undefined, onError: () => undefined });
    body.push('\u0080a');
    expect(Buffer.concat(read)).toEqual(Buffer.from([0xff, 0, 0x80, 0x61]));
    expect(body.received).toBe(4);
  });

  it('is taken whole only where it is complete, unread and small enough', () => {
    expect(Body.of(bytes('abc')).takeWhole(2)).toBeUndefined();
    expect(new Body(undefined, 3).takeWhole(10)).toBeUndefined();
    const body = Body.of(bytes('abc'));
    expect(body.takeWhole(3)?.content.map(String)).toEqual(['abc']);
    expect(body.takeWhole(3)).toBeUndefined();
    expect(() => body.read(new Log())).toThrow();
  });

  it('without content is shared and ends at once', () => {
    const log = new Log();
    Body.empty.cancel(broken);
    Body.empty.read(log);
    Body.empty.read(log);
    expect(log.lines).toEqual(['end', 'end']);
  });
});
