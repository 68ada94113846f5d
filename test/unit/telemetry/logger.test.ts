import { describe, expect, test } from 'vitest';
import { ProxyError } from '../../../src/errors.ts';
import type { LineSink } from '../../../src/telemetry/line-sink.ts';
import { LineWriter } from '../../../src/telemetry/line-writer.ts';
import { isLogLevel, Logger, type LogLevel } from '../../../src/telemetry/logger.ts';
import { FakeClock } from '../../support/fake-clock.ts';

/** A logger whose text is there at once. */
function aLogger(level: LogLevel = 'info', base?: Record<string, string>): { log: Logger; text: () => string } {
  let text = '';
  const sink: LineSink = {
    write: (pieces, done) => {
      text += Buffer.concat(pieces).toString('latin1');
      done(undefined, Buffer.concat(pieces).length);
    },
    writeSync: (bytes) => {
      text += Buffer.from(bytes).toString('latin1');
      return bytes.length;
    },
    reopen: async () => {},
    close: async () => {},
  };
  const clock = new FakeClock();
  const writer = new LineWriter(sink, clock);
  const log = new Logger({ level, writer, clock, ...(base === undefined ? {} : { base }) });
  return {
    log,
    text: () => {
      writer.flushSync();
      return text;
    },
  };
}

function parsed(text: string): Record<string, unknown>[] {
  return text
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line) as Record<string, unknown>);
}

describe('the process log', () => {
  test('is one JSON line for each message, with level, time, text and fields', () => {
    const { log, text } = aLogger('info', { service: 'orders' });
    log.info('serving', { address: '127.0.0.1:15001' });
    expect(parsed(text())).toEqual([
      {
        level: 'info',
        time: '2023-11-14T22:13:21.000Z',
        service: 'orders',
        address: '127.0.0.1:15001',
        msg: 'serving',
      },
    ]);
  });

  test('keeps what came from outside on one line of printable ASCII', () => {
    const { log, text } = aLogger();
    const hostile = 'a"\\\n\r\u0000\u001b[31m\u007f\u0085\u2028\u202e\ud800é';
    log.warn(hostile, { [hostile]: hostile, error: new Error(hostile) });
    expect(text()).toMatch(/^[ -~]+\n$/);
    expect(parsed(text())[0]).toMatchObject({ msg: hostile, [hostile]: hostile });
  });

  test('the level can be changed while it runs', () => {
    const { log, text } = aLogger('warn');
    log.info('no');
    log.level = 'debug';
    log.debug('yes');
    log.trace('no');
    expect(log.level).toBe('debug');
    log.level = 'silent';
    log.fatal('no');
    expect(parsed(text()).map(({ msg }) => msg)).toEqual(['yes']);
  });

  test('each method has its level', () => {
    const { log, text } = aLogger('trace');
    const levels = ['trace', 'debug', 'info', 'warn', 'error', 'fatal'] as const;
    for (const level of levels) log[level]('x');
    expect(parsed(text()).map(({ level }) => level)).toEqual(levels);
  });

  test('an error is printed with the whole chain of its causes down to the root', () => {
    const { log, text } = aLogger();
    const root = Object.assign(new Error('connect ECONNREFUSED 10.0.0.7:80'), { code: 'ECONNREFUSED' });
    const error = new ProxyError('PF_CONNECT_FAILED', 'endpoint 10.0.0.7:80: cannot connect', {
      cause: new Error('dial failed', { cause: root }),
      requestSent: false,
      endpoint: '10.0.0.7:80',
    });
    log.error('request failed', { error });
    expect(parsed(text())[0]?.['error']).toEqual({
      message: 'PF_CONNECT_FAILED endpoint 10.0.0.7:80: cannot connect: dial failed: connect ECONNREFUSED 10.0.0.7:80',
      type: 'ProxyError',
      code: 'PF_CONNECT_FAILED',
      endpoint: '10.0.0.7:80',
      requestSent: false,
      causes: [
        { type: 'Error', message: 'dial failed' },
        { type: 'Error', code: 'ECONNREFUSED', message: 'connect ECONNREFUSED 10.0.0.7:80' },
      ],
    });
  });

  test('a bug has its stack, an expected failure has none', () => {
    const { log, text } = aLogger();
    log.error('bug', { error: new ProxyError('PF_INTERNAL', 'a bug', { cause: new TypeError('x is undefined') }) });
    log.error('bug', { error: new TypeError('x is undefined') });
    log.error('failure', { error: new ProxyError('PF_TIMEOUT', 'too slow') });
    const stacks = parsed(text()).map(({ error }) => (error as { stack?: string }).stack);
    expect(stacks[0]).toMatch(/^TypeError: x is undefined\n +at /);
    expect(stacks[1]).toMatch(/^TypeError: x is undefined\n +at /);
    expect(stacks[2]).toBeUndefined();
  });

  test('takes anything for an error: no error at all, a circle, several at once', () => {
    const { log, text } = aLogger();
    const circle = new Error('round');
    circle.cause = circle;
    const several = new AggregateError([new Error('v6'), Object.assign(new Error('v4'), { code: 'ECONNREFUSED' })], '');
    for (const error of ['text', undefined, 7, circle, several]) log.error('x', { error });
    const errors = parsed(text()).map(({ error }) => error as { message?: string; causes?: unknown[] } | undefined);
    expect(errors[0]?.message).toBe('text');
    expect(errors[3]?.causes).toHaveLength(7);
    expect(errors[4]?.causes).toEqual([{ type: 'Error', code: 'ECONNREFUSED', message: 'v4' }]);
  });
});

test('levels are known by their names', () => {
  expect(['trace', 'silent', 'verbose', '', undefined, 3].map(isLogLevel)).toEqual([
    true,
    true,
    false,
    false,
    false,
    false,
  ]);
});
