import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { ProxyError } from '../../../src/errors.ts';
import { STRICT_PATHS } from '../../../src/http/limits.ts';
import { callUpstream, type Call } from '../../../src/resilience/call.ts';
import { OutboundNames } from '../../../src/router/outbound-name.ts';
import { explainRequest } from '../../../src/runtime/explain.ts';
import { UPSTREAM_DEFAULTS, type UpstreamOptions } from '../../../src/upstream/options.ts';
import { Upstream } from '../../../src/upstream/upstream.ts';
import type { Upstreams } from '../../../src/upstream/upstreams.ts';
import { DeadlineLists } from '../../../src/util/deadline-list.ts';
import { FakeClock } from '../../support/fake-clock.ts';
import { FakeNetwork, FakeWatch, instance, optionsWith, ORDERS } from '../upstream/fakes.ts';

interface Explained {
  readonly outcome: { readonly kind: string; readonly code?: string; readonly reason?: string };
  readonly retry: { readonly rule: string };
}

let clock: FakeClock;
let upstream: Upstream;
let call: Call;

function open(options: Partial<UpstreamOptions> = {}): void {
  const watch = new FakeWatch();
  const identity = { name: 'orders', key: ORDERS, options: optionsWith(options), isKnown: true };
  upstream = new Upstream(identity, { clock, connect: new FakeNetwork(clock).connect, watch: watch.service });
  call = callUpstream(upstream, { clock, deadlines: new DeadlineLists(clock) });
  watch.give([instance(1)]);
}

function explain(method: string, headers: readonly (readonly [string, string])[] = []): Explained {
  const upstreams = { get: () => ({ upstream, call, isConfigured: true, lastUsedMs: 0 }) } as Partial<Upstreams>;
  const parts = { clock, names: new OutboundNames('', []), paths: STRICT_PATHS, upstreams: upstreams as Upstreams };
  return explainRequest(parts, { host: 'orders', target: '/', method, headers }) as Explained;
}

beforeEach(() => {
  clock = new FakeClock();
});

afterEach(() => upstream.destroy(new ProxyError('PF_UPSTREAM_CLOSED', 'the test is over')));

describe('an explained request', () => {
  it.each([
    ['GET', [], false, /^GET may be executed twice/],
    ['POST', [], true, /^POST may not be executed twice/],
    ['POST', [['Idempotency-Key', '7']], false, /^POST may not be executed twice/],
    ['POST', [['Idempotency-Key', '7']], true, /^POST with Idempotency-Key may be executed twice/],
    ['GET', [['X-Request-Attempt', '2']], true, /^its caller tries again by itself/],
  ] as const)(
    'is told by which rule it is tried again: %s %j, keys heeded: %s',
    (method, headers, idempotencyKey, rule) => {
      open({ retry: { ...UPSTREAM_DEFAULTS.retry, idempotencyKey } });
      expect(explain(method, headers).retry.rule).toMatch(rule);
    },
  );

  it('is refused while the probe of a half-open breaker is under way', async () => {
    open({ breaker: { ...UPSTREAM_DEFAULTS.breaker, consecutiveFailures: 1 } });
    call.breaker?.record('server-error');
    expect(explain('GET').outcome).toMatchObject({ kind: 'refused', code: 'PF_BREAKER_OPEN' });
    await clock.advance(400);
    expect(explain('GET').outcome.kind).toBe('sent');
    expect(call.breaker?.admitProbe()).toBeUndefined();
    const { kind, code, reason } = explain('GET').outcome;
    expect([kind, code]).toEqual(['refused', 'PF_BREAKER_OPEN']);
    expect(reason).toMatch(/^half-open, and its probe is under way/);
    await clock.advance(1_000);
    expect(explain('GET').outcome.kind).toBe('sent');
  });
});
