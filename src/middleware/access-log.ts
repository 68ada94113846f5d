// HOT PATH. One JSON line for each request, when its answer has ended; one of the listener's completion hooks.
import { causeChain, CODES, type ProxyError } from '../errors.ts';
import { FIELD } from '../http/field.ts';
import type { Attempt, Direction, FallbackTaken, ProxyRequest } from '../http/message.ts';
import type { DownstreamEnd } from '../http/serving.ts';
import { jsonText } from '../telemetry/json-text.ts';
import type { LineWriter } from '../telemetry/line-writer.ts';
import { millisecondsText, MomentText } from '../telemetry/number-text.ts';
import { codeOf, FLAGS, flagOf, statusOf } from '../telemetry/outcome.ts';
import type { Clock } from '../util/clock.ts';
import type { CompletionHooks } from './metrics.ts';

/** Characters kept of what a client may make as long as it likes. */
const MAX_PATH_CHARS = 2_048;
const MAX_TEXT_CHARS = 256;
/** A chain of causes, down to what the system said. */
const MAX_REASON_CHARS = 512;
/** Tries listed one by one. */
const MAX_TRIES = 10;
/** Upstreams whose beginning of a line is kept; beyond it they are made anew. */
const MAX_PREFIXES = 5_000;

const PROTOCOLS = { 10: 'HTTP/1.0', 11: 'HTTP/1.1', 20: 'HTTP/2' } as const;
const USER_AGENT = FIELD['user-agent'];
const TRACEPARENT = FIELD.traceparent;
/** W3C Trace Context §3.2: version, trace id, parent id, flags. */
const TRACE = /^[0-9a-f]{2}-([0-9a-f]{32})-[0-9a-f]{16}-[0-9a-f]{2}/;

/** Writes lines as `docs/access-log.md` describes them. A query is never written: it is where tokens and names stand. */
export class AccessLogHooks implements CompletionHooks {
  private readonly writer: LineWriter;
  private readonly clock: Clock;
  private readonly moment = new MomentText();
  private readonly prefixes = { inbound: new Map<string, string>(), outbound: new Map<string, string>() };

  constructor(writer: LineWriter, clock: Clock) {
    this.writer = writer;
    this.clock = clock;
  }

  complete(request: ProxyRequest, end: DownstreamEnd): void {
    const { attempts } = request;
    const code = codeOf(end);
    const failure = end.error ?? end.response?.failure;
    const userAgent = request.headers.getId(USER_AGENT);
    const traceparent = request.headers.getId(TRACEPARENT);
    this.writer.write(
      '{"log":"access","time":"' +
        this.moment.of(this.clock.wallMs()) +
        this.prefix(request.direction, request.upstream) +
        jsonText(request.peer, MAX_TEXT_CHARS) +
        '","method":"' +
        jsonText(request.method, MAX_TEXT_CHARS) +
        '","authority":"' +
        jsonText(request.authority, MAX_TEXT_CHARS) +
        '","path":"' +
        jsonText(request.path, MAX_PATH_CHARS) +
        '","protocol":"' +
        PROTOCOLS[request.httpVersion] +
        '","status":' +
        String(statusOf(end)) +
        ',"flags":"' +
        (FLAGS[flagOf(end, attempts)] ?? '-') +
        (code === undefined ? '"' : `","code":"${code}"`) +
        (attempts.length === 0 ? ',"attempts":0' : attemptsText(attempts)) +
        (request.fallback === undefined ? '' : fallbackText(request.fallback)) +
        durationsText(request, end.endedAtMs) +
        ',"receivedBytes":' +
        String(end.receivedBytes) +
        ',"sentBytes":' +
        String(end.sentBytes) +
        (request.id === '' ? '' : `,"requestId":"${jsonText(request.id, MAX_TEXT_CHARS)}"`) +
        (traceparent === undefined ? '' : traceText(traceparent)) +
        (failure === undefined ? '' : reasonText(failure)) +
        (userAgent === undefined ? '}\n' : `,"userAgent":"${jsonText(userAgent, MAX_TEXT_CHARS)}"}\n`),
    );
  }

  refused(direction: Direction, error: ProxyError, peer: string, sentBytes: number): void {
    const time = this.moment.of(this.clock.wallMs());
    this.writer.write(
      `{"log":"access","time":"${time}${this.prefix(direction, 'unknown')}${jsonText(peer, MAX_TEXT_CHARS)}"` +
        `,"status":${error.status},"flags":"${CODES[error.code].flag}","code":"${error.code}","attempts":0` +
        `,"receivedBytes":0,"sentBytes":${sentBytes}${reasonText(error)}}\n`,
    );
  }

  /** From behind the time to the peer's address: the same for all requests of one direction to one upstream. */
  private prefix(direction: Direction, upstream: string): string {
    const prefixes = this.prefixes[direction];
    let prefix = prefixes.get(upstream);
    if (prefix === undefined) {
      prefix = `","direction":"${direction}","upstream":"${jsonText(upstream, MAX_TEXT_CHARS)}","peer":"`;
      if (prefixes.size >= MAX_PREFIXES) prefixes.clear();
      prefixes.set(upstream, prefix);
    }
    return prefix;
  }
}

function attemptsText(attempts: readonly Attempt[]): string {
  const last = attempts[attempts.length - 1];
  const text = `,"endpoint":"${jsonText(last?.endpoint ?? '', MAX_TEXT_CHARS)}","attempts":${attempts.length}`;
  return attempts.length === 1 ? text : `${text},"tries":[${attempts.slice(0, MAX_TRIES).map(tryText).join(',')}]`;
}

function tryText({ endpoint, result }: Attempt): string {
  const value = typeof result === 'number' ? String(result) : `"${result ?? '-'}"`;
  return `{"endpoint":"${jsonText(endpoint, MAX_TEXT_CHARS)}","result":${value}}`;
}

function fallbackText({ to, cause }: FallbackTaken): string {
  return `,"fallback":{"to":"${jsonText(to, MAX_TEXT_CHARS)}","cause":"${cause}"}`;
}

/** What was not reached is left out; after a retry `queue` holds everything before the last try. */
function durationsText(request: ProxyRequest, endedAtMs: number): string {
  const { receivedAtMs, pickedAtMs, connectedAtMs, answeredAtMs } = request;
  let text = ',"durationMs":{"total":' + millisecondsText(endedAtMs - receivedAtMs);
  if (pickedAtMs > 0) {
    text += ',"queue":' + millisecondsText(pickedAtMs - receivedAtMs);
    if (connectedAtMs >= pickedAtMs) {
      text += ',"connect":' + millisecondsText(connectedAtMs - pickedAtMs);
      if (answeredAtMs >= connectedAtMs) text += ',"firstByte":' + millisecondsText(answeredAtMs - connectedAtMs);
    }
  }
  return text + '}';
}

function reasonText(failure: ProxyError): string {
  const { message, cause } = failure;
  const text = cause === undefined ? message : `${message}: ${causeChain(cause)}`;
  return `,"reason":"${jsonText(text, MAX_REASON_CHARS)}"`;
}

function traceText(traceparent: string): string {
  const traceId = TRACE.exec(traceparent)?.[1];
  return traceId === undefined ? '' : `,"traceId":"${traceId}"`;
}
