// What would become of a request on the outbound listener: its name, its upstream, whom the picker could choose. Nothing is sent,
// nothing is opened, nothing is counted.
import { ProxyError } from '../errors.ts';
import { checkMethod } from '../http/accept.ts';
import { Body } from '../http/body.ts';
import { readCallFields } from '../http/call-fields.ts';
import { Headers, isFieldValue } from '../http/headers.ts';
import type { PathLooseness } from '../http/limits.ts';
import { ProxyRequest } from '../http/message.ts';
import { normalAuthority, parseTarget } from '../http/target.ts';
import { outOfPlaces } from '../resilience/concurrency-limit-layer.ts';
import { mayBeExecutedAgain } from '../resilience/retry-policy.ts';
import type { OutboundNames } from '../router/outbound-name.ts';
import type { Decision } from '../upstream/decisions.ts';
import { describeUpstream } from '../upstream/describe.ts';
import type { FallbackView } from '../upstream/fallback-view.ts';
import { isIdempotent } from '../upstream/idempotent.ts';
import type { RetryOptions } from '../upstream/options.ts';
import type { Upstream } from '../upstream/upstream.ts';
import type { UpstreamEntry, Upstreams } from '../upstream/upstreams.ts';
import type { Clock } from '../util/clock.ts';

/** A request that nobody sent. */
export interface RequestQuestion {
  /** As in `Host`. */
  readonly host: string;
  /** With its query. */
  readonly target: string;
  readonly method: string;
  readonly headers: readonly (readonly [name: string, value: string])[];
}

export interface ExplainParts {
  readonly clock: Clock;
  readonly names: OutboundNames;
  readonly paths: PathLooseness;
  readonly upstreams: Upstreams;
}

/** Trial draws, which shares are told from. */
const DRAWS = 200;
/** Endpoints in one answer that were drawn most often. */
const MAX_SHARES = 20;

/** An object for people and machines; docs/admin.md says what is in it. Never throws for what is asked. */
export function explainRequest(parts: ExplainParts, question: RequestQuestion): object {
  let request: ProxyRequest;
  try {
    request = requestOf(parts, question);
  } catch (error) {
    if (!(error instanceof ProxyError)) throw error;
    return { outcome: refusal(error) };
  }
  const { method, authority, path, query } = request;
  const asked = { method, authority, path, query };
  const name = parts.names.resolve(authority);
  switch (name.kind) {
    case 'refused':
      return { request: asked, outcome: refusal(new ProxyError('PF_NO_ROUTE', name.reason)) };
    case 'outside': {
      const { host, port } = name;
      return {
        request: asked,
        name: { kind: 'outside', host, port },
        outcome: { kind: 'sent', to: `${host}:${port}` },
      };
    }
    case 'service': {
      const entry = parts.upstreams.get(name.name);
      return {
        request: asked,
        name,
        ...(entry === undefined ? NOT_OPEN : explainUpstream(entry, request, parts.clock)),
      };
    }
  }
}

/** The last decisions of all upstreams, the newest first. */
export function lastDecisions(upstreams: Upstreams, count: number, clock: Clock): object[] {
  const nowMs = clock.now();
  return [...upstreams.all()]
    .flatMap(({ upstream }) =>
      upstream.decisions.last(count).map((decision) => ({ upstream: upstream.name, decision })),
    )
    .sort((a, b) => b.decision.atMs - a.decision.atMs)
    .slice(0, count)
    .map(({ upstream, decision }) => ({ upstream, ...told(decision, nowMs, clock) }));
}

const NOT_OPEN = {
  outcome: {
    kind: 'waits',
    reason: 'nobody has called that service yet: the first request begins to watch it, and waits for the first list',
  },
};

/** What the codec makes of the same words. @throws ProxyError PF_BAD_REQUEST */
function requestOf({ clock, paths }: ExplainParts, question: RequestQuestion): ProxyRequest {
  const { host, target, method, headers: fields } = question;
  checkMethod(method);
  const named = normalAuthority(host);
  if (named === undefined) throw new ProxyError('PF_BAD_REQUEST', 'Host is not a valid authority');
  const { authority, path, query } = parseTarget(method, target, paths);
  const headers = new Headers();
  headers.append('Host', authority ?? named);
  for (const [name, value] of fields) {
    if (!isFieldValue(value))
      throw new ProxyError('PF_BAD_REQUEST', `the value of ${name} is none that a field can have`);
    headers.append(name, value);
  }
  const request = new ProxyRequest({
    direction: 'outbound',
    method,
    scheme: 'http',
    authority: authority ?? named,
    path,
    query,
    httpVersion: 11,
    headers,
    body: Body.empty,
    peer: '127.0.0.1',
    receivedAtMs: clock.now(),
  });
  request.callerAttempt = readCallFields(headers).attempt;
  return request;
}

function explainUpstream(entry: UpstreamEntry, request: ProxyRequest, clock: Clock): object {
  const nowMs = clock.now();
  const { upstream, call } = entry;
  const { timeout, retry, connect } = upstream.options;
  const { outcome, pick } = tryPicks(upstream, request);
  const verdict = refusedBefore(entry, nowMs) ?? outcome;
  return {
    outcome: verdict instanceof ProxyError ? orFallback(verdict, call.fallback) : verdict,
    ...pick,
    retry: {
      attempts: retry.attempts,
      budgetLeft: call.budget.ratioLeft(nowMs),
      rule: ruleOf(retry, request),
      on: retry.on,
    },
    timeout,
    connect,
    upstream: describeUpstream(entry, nowMs),
  };
}

/** By which rule it would be tried again: that of `mayBeExecutedAgain`, in words. */
function ruleOf(retry: RetryOptions, request: ProxyRequest): string {
  const { method, callerAttempt } = request;
  if (mayBeExecutedAgain(retry, request)) {
    const what = isIdempotent(method) ? method : `${method} with Idempotency-Key`;
    return `${what} may be executed twice: it is tried again for every reason of the configuration`;
  }
  const why = callerAttempt > 1 ? 'its caller tries again by itself' : `${method} may not be executed twice`;
  return `${why}: it is tried again only where nothing was executed for certain`;
}

/** Why nothing would be picked as things are: the breaker, the adaptive limit, the limits, in the order in which they are asked. */
function refusedBefore({ upstream, call }: UpstreamEntry, nowMs: number): ProxyError | undefined {
  if (call.breaker?.wouldRefuse(nowMs) === true) {
    const { state, why } = call.breaker.describe(nowMs);
    return new ProxyError(
      'PF_BREAKER_OPEN',
      state === 'open' ? why : `half-open, and its probe is under way: before that, ${why}`,
    );
  }
  if (call.concurrency?.hasRoom === false) return outOfPlaces(call.concurrency, upstream.name);
  return upstream.load.wouldRefuse;
}

function orFallback(error: ProxyError, fallback: FallbackView | undefined): object {
  const taken = fallback?.wouldTake(error.code);
  return taken === undefined ? refusal(error) : { kind: 'fallback', ...taken, insteadOf: refusal(error) };
}

/** What the picker would do, told by a copy of it: the first of its picks, and how a few hundred are spread as things are. */
function tryPicks(upstream: Upstream, request: ProxyRequest): { readonly outcome: object; readonly pick?: object } {
  const picker = upstream.trialPicker;
  const first = picker.pick(request);
  switch (first.kind) {
    case 'queue':
      return { outcome: { kind: 'waits', reason: 'no list has come yet' } };
    case 'unavailable':
      return { outcome: upstream.unavailable(first.reason) };
    case 'picked': {
      const draws = new Map([[first.endpoint.address, 1]]);
      for (let draw = 1; draw < DRAWS; draw++) {
        const next = picker.pick(request);
        if (next.kind !== 'picked') break;
        draws.set(next.endpoint.address, (draws.get(next.endpoint.address) ?? 0) + 1);
      }
      const shares = [...draws]
        .sort(([, a], [, b]) => b - a)
        .slice(0, MAX_SHARES)
        .map(([address, count]) => ({ address, share: count / DRAWS }));
      const isCertain = draws.size === 1;
      const how = isCertain
        ? 'every such request goes there as things are'
        : `one of ${draws.size}: how ${DRAWS} trial picks were spread, with what is in flight now; the next pick may be another`;
      return { outcome: { kind: 'sent', to: first.endpoint.address }, pick: { pick: { how, shares } } };
    }
  }
}

function refusal({ code, status, message }: ProxyError): object {
  return { kind: 'refused', code, status, reason: message };
}

function told({ atMs, ...decision }: Decision, nowMs: number, clock: Clock): object {
  const agoMs = Math.max(0, Math.round(nowMs - atMs));
  return { at: new Date(clock.wallMs() - agoMs).toISOString(), agoMs, ...decision };
}
