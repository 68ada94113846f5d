// Answers that are held: complete ones come whole, broken ones are an error that may be tried again, long ones stream.
import fc from 'fast-check';
import { beforeEach, describe, expect, it } from 'vitest';
import { ProxyError } from '../../../src/errors.ts';
import { Body, type BodyReader } from '../../../src/http/body.ts';
import { Headers } from '../../../src/http/headers.ts';
import { ProxyResponse, type ProxyRequest } from '../../../src/http/message.ts';
import { BufferSpace, responseBuffer } from '../../../src/resilience/response-buffer.ts';
import { UPSTREAM_DEFAULTS, type BufferOptions } from '../../../src/upstream/options.ts';
import { DeadlineLists } from '../../../src/util/deadline-list.ts';
import { FakeClock } from '../../support/fake-clock.ts';
import { makeRequest, turns } from '../upstream/fakes.ts';
import { Source } from './source.ts';

const OPTIONS: BufferOptions = { enabled: true, maxBytes: 1_000, waitMs: 1_000 };
const ENDPOINT = '10.0.0.1:80';

let clock: FakeClock;
let space: BufferSpace;

beforeEach(() => {
  clock = new FakeClock();
  space = new BufferSpace();
});

interface Called {
  request: ProxyRequest;
  response: ProxyResponse | undefined;
  error: unknown;
}

async function call(answer: ProxyResponse, method = 'GET', options = OPTIONS): Promise<Called> {
  const layer = responseBuffer(options, {
    clock,
    deadlines: new DeadlineLists(clock),
    space,
    retry: UPSTREAM_DEFAULTS.retry,
  });
  const request = makeRequest(method, Body.empty, clock.now());
  const called: Called = { request, response: undefined, error: undefined };
  void layer((seen) => {
    seen.attempts.push({ endpoint: ENDPOINT, result: answer.status });
    return Promise.resolve(answer);
  })(request).then(
    (response) => (called.response = response),
    (error: unknown) => (called.error = error),
  );
  await turns();
  return called;
}

/** What a reader of a body gets. */
class Reading implements BodyReader {
  content = '';
  trailers: Headers | undefined = undefined;
  end: 'open' | 'whole' | ProxyError = 'open';

  onData(chunk: Buffer): void {
    this.content += chunk.toString('latin1');
  }

  onEnd(trailers: Headers | undefined): void {
    this.trailers = trailers;
    this.end = 'whole';
  }

  onError(error: ProxyError): void {
    this.end = error;
  }
}

function read(body: Body | undefined): Reading {
  const reading = new Reading();
  body?.read(reading);
  return reading;
}

const RESET = new ProxyError('PF_UPSTREAM_CLOSED', 'reset', { requestSent: true, endpoint: ENDPOINT });

describe('a short answer', () => {
  it.each([
    ['with a length', 10],
    ['in chunks', undefined],
  ])('%s is given back once it is complete, with its trailers, in one piece', async (_how, length) => {
    const { body } = new Source(length);
    const called = await call(new ProxyResponse(200, new Headers(), body));
    body.push(Buffer.from('01234'));
    await turns();
    expect(called.response).toBeUndefined();
    expect(space.usedBytes).toBe(5);
    body.push(Buffer.from('56789'));
    body.end(Headers.of(['X-Sum', '45']));
    await turns();
    expect(called.response?.body.length).toBe(length);
    const whole = called.response?.body.takeWhole(100);
    expect(whole?.content.map(String).join('')).toBe('0123456789');
    expect(whole?.trailers?.get('x-sum')).toBe('45');
    expect(space.usedBytes).toBe(0);
  });

  it('that breaks off is the failure of its attempt', async () => {
    const { body } = new Source(10);
    const called = await call(new ProxyResponse(200, new Headers(), body));
    body.push(Buffer.from('01234'));
    body.fail(RESET);
    await turns();
    expect(called.error).toMatchObject({ code: 'PF_UPSTREAM_CLOSED', requestSent: true, endpoint: ENDPOINT });
    expect(called.request.attempts[0]?.result).toBe('PF_UPSTREAM_CLOSED');
    expect(space.usedBytes).toBe(0);
  });

  it('whose framing breaks was sent, and says where', async () => {
    const { body } = new Source();
    const called = await call(new ProxyResponse(200, new Headers(), body));
    body.fail(new ProxyError('PF_UPSTREAM_PROTOCOL', 'a chunk without a size'));
    await turns();
    expect(called.error).toMatchObject({ code: 'PF_UPSTREAM_PROTOCOL', requestSent: true, endpoint: ENDPOINT });
  });

  it('that is there already is given back as it is', async () => {
    const body = Body.of(Buffer.from('whole'));
    const called = await call(new ProxyResponse(200, new Headers(), body));
    expect(called.response?.body).toBe(body);
  });
});

describe('what is not held', () => {
  it.each([
    ['of a POST', 'POST', new Headers(), 10],
    ['that is too long by its own word', 'GET', new Headers(), 1_001],
    ['that is a stream of events', 'GET', Headers.of(['Content-Type', 'text/event-stream; charset=utf-8']), undefined],
    ['that asks not to be', 'GET', Headers.of(['X-Accel-Buffering', 'no']), undefined],
  ])('is an answer %s', async (_what, method, headers, length) => {
    const { body } = new Source(length);
    const called = await call(new ProxyResponse(200, headers, body), method);
    expect(called.response?.body).toBe(body);
  });

  it('is a tunnel, or the answer to HEAD', async () => {
    const tunnel = new ProxyResponse(101, new Headers(), new Source().body);
    tunnel.isTunnel = true;
    expect((await call(tunnel)).response).toBe(tunnel);
    expect((await call(new ProxyResponse(200), 'HEAD')).response?.body.isEmpty).toBe(true);
  });

  it('is what comes while memory is short', async () => {
    space = new BufferSpace(() => true);
    const { body } = new Source(10);
    const called = await call(new ProxyResponse(200, new Headers(), body));
    body.push(Buffer.from('01234'));
    await turns();
    expect(read(called.response?.body).content).toBe('01234');
  });
});

describe('an answer that turns out to be long', () => {
  it('streams from there on, as fast as its reader reads', async () => {
    const source = new Source();
    const called = await call(new ProxyResponse(200, new Headers(), source.body));
    source.body.push(Buffer.alloc(1_000, 'a'));
    await turns();
    expect(called.response).toBeUndefined();
    source.body.push(Buffer.from('b'));
    await turns();
    expect(source.isPaused).toBe(true);
    expect(space.usedBytes).toBe(1_000 + 1); // Until it is read.
    const reading = read(called.response?.body);
    expect(reading.content).toBe(`${'a'.repeat(1_000)}b`);
    expect(space.usedBytes).toBe(0);
    expect(source.isPaused).toBe(false);
    called.response?.body.pause();
    expect(source.isPaused).toBe(true);
    called.response?.body.resume();
    source.body.push(Buffer.from('c'));
    source.body.end(Headers.of(['X-Sum', '1']));
    expect(reading.content.endsWith('bc')).toBe(true);
    expect(reading.trailers?.get('x-sum')).toBe('1');
    expect(reading.end).toBe('whole');
  });

  it('breaks off at the client where it breaks off', async () => {
    const source = new Source();
    const called = await call(new ProxyResponse(200, new Headers(), source.body));
    source.body.push(Buffer.alloc(1_001, 'a'));
    await turns();
    source.body.fail(RESET);
    expect(read(called.response?.body).end).toBe(RESET);
  });

  it('is not read to its end where nobody wants it', async () => {
    const source = new Source();
    const called = await call(new ProxyResponse(200, new Headers(), source.body));
    source.body.push(Buffer.alloc(1_001, 'a'));
    await turns();
    const gone = new ProxyError('PF_CLIENT_CLOSED', 'gone');
    called.response?.body.cancel(gone);
    expect(source.cancelled).toBe(gone);
    expect(space.usedBytes).toBe(0);
  });

  it('in time streams what there is', async () => {
    const source = new Source(10);
    const called = await call(new ProxyResponse(200, new Headers(), source.body));
    source.body.push(Buffer.from('01234'));
    await clock.advance(1_100);
    const reading = read(called.response?.body);
    expect(reading).toMatchObject({ content: '01234', end: 'open' });
    source.body.push(Buffer.from('56789'));
    source.body.end(undefined);
    expect(reading).toMatchObject({ content: '0123456789', end: 'whole' });
    expect(space.usedBytes).toBe(0);
  });
});

describe('memory', () => {
  const options = { ...OPTIONS, maxBytes: 1_000_000 };

  it('is bounded where nobody reads whole answers', async () => {
    space = new BufferSpace(() => false, 250_000);
    const answers: Called[] = [];
    for (let n = 0; n < 5; n++) {
      const source = new Source();
      answers.push(await call(new ProxyResponse(200, new Headers(), source.body), 'GET', options));
      source.body.push(Buffer.alloc(100_000, 'a'));
      if (!source.isPaused) source.body.end(undefined);
      await turns();
    }
    expect(space.usedBytes).toBeLessThanOrEqual(250_000);
    expect(space.usedBytes).toBeGreaterThanOrEqual(200_000);
    for (const { response } of answers) response?.body.cancel(RESET);
    expect(space.usedBytes).toBe(0);
  });

  it('is free again piece by piece, as a slow client reads', async () => {
    const source = new Source();
    const called = await call(new ProxyResponse(200, new Headers(), source.body), 'GET', options);
    for (let n = 0; n < 4; n++) source.body.push(Buffer.alloc(50_000, `${n}`));
    source.body.end(Headers.of(['X-Sum', '4']));
    await turns();
    expect(space.usedBytes).toBe(200_000);
    const body = called.response?.body;
    const reading = new Reading();
    const slow: BodyReader = {
      onData: (chunk) => {
        body?.pause();
        reading.onData(chunk);
      },
      onEnd: (trailers) => reading.onEnd(trailers),
      onError: (error) => reading.onError(error),
    };
    body?.read(slow);
    expect(space.usedBytes).toBe(150_000);
    body?.resume();
    expect(space.usedBytes).toBe(100_000);
    body?.resume();
    body?.resume();
    body?.resume();
    expect(reading).toMatchObject({ end: 'whole' });
    expect(reading.content.length).toBe(200_000);
    expect(space.usedBytes).toBe(0);
  });
});

describe('content', () => {
  it('comes as it was sent, whatever its pieces, and nothing stays held', async () => {
    const pieces = fc.array(fc.uint8Array({ minLength: 1, maxLength: 400 }), { maxLength: 12 });
    const end = fc.constantFrom('end', 'fail', 'wait' as const);
    await fc.assert(
      fc.asyncProperty(pieces, end, fc.integer({ min: 1, max: 3_000 }), async (chunks, how, maxBytes) => {
        clock = new FakeClock();
        space = new BufferSpace(() => false, 2_000);
        const source = new Source();
        const sent = Buffer.concat(chunks);
        const called = await call(new ProxyResponse(200, new Headers(), source.body), 'GET', { ...OPTIONS, maxBytes });
        for (const chunk of chunks) source.body.push(Buffer.from(chunk));
        if (how === 'end') source.body.end(undefined);
        else if (how === 'fail') source.body.fail(RESET);
        else await clock.advance(1_100);
        await turns();
        const isLong = sent.length > Math.min(maxBytes, 2_000);
        expect(called.error).toBe(how === 'fail' && !isLong ? called.error : undefined);
        if (how === 'fail' && !isLong) {
          expect(called.error).toMatchObject({ code: 'PF_UPSTREAM_CLOSED' });
          expect(space.usedBytes).toBe(0);
          return;
        }
        const reading = read(called.response?.body);
        expect(reading.content).toBe(sent.toString('latin1'));
        expect(reading.end).toBe(how === 'end' ? 'whole' : how === 'fail' ? RESET : 'open');
        expect(space.usedBytes).toBe(0);
      }),
    );
  });
});
