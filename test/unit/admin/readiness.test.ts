import { describe, expect, it } from 'vitest';
import { readinessOf } from '../../../src/admin/readiness.ts';
import type { ReadinessFacts } from '../../../src/admin/readiness.ts';
import { serviceKey } from '../../../src/registry/types.ts';
import type { RegistrarStatus } from '../../../src/registry/registrar.ts';

const CLIENT: ReadinessFacts = {
  phase: 'serving',
  isLeaving: false,
  upstreams: [],
  registration: undefined,
  appProblem: undefined,
  isRegistryUp: undefined,
};

function registration(state: RegistrarStatus['state'], wasRegistered = state === 'registered'): RegistrarStatus {
  const instance = {
    key: serviceKey('orders'),
    id: 'orders-1',
    host: '127.0.0.1',
    port: 1,
    protocol: 'http' as const,
    weight: 100,
    tags: [],
    metadata: {},
    health: 'passing' as const,
    enabled: true,
  };
  return { instance, state, reason: undefined, promisedUntilMs: 0, wasRegistered };
}

const LIVE = { name: 'billing', state: 'live' as const, hasList: true };
const HELD = { name: 'billing', state: 'stale' as const, hasList: true };
const NOTHING = { name: 'billing', state: 'stale' as const, hasList: false };

describe('readiness', () => {
  it.each<[string, Partial<ReadinessFacts>, string]>([
    ['a client that waits for nothing', {}, 'ready'],
    ['a live list', { upstreams: [LIVE] }, 'ready'],
    ['a registration', { registration: registration('registered') }, 'ready'],
    ['no list yet', { upstreams: [NOTHING] }, 'not-ready'],
    ['a held list', { upstreams: [HELD], isRegistryUp: false }, 'degraded'],
    ['no registration yet', { registration: registration('pending') }, 'not-ready'],
    ['an id that is taken', { registration: registration('conflict'), isRegistryUp: true }, 'not-ready'],
    ['a registration that was lost', { registration: registration('lost', true), isRegistryUp: false }, 'degraded'],
    [
      'a registry that is away, a held list instead',
      { registration: registration('pending'), upstreams: [HELD], isRegistryUp: false },
      'degraded',
    ],
    ['an app that is down', { registration: registration('registered'), appProblem: 'refused' }, 'not-ready'],
    ['listeners that are not bound', { phase: 'starting' }, 'not-ready'],
    ['a drain', { phase: 'drained', isLeaving: true }, 'draining'],
  ])('of %s is told with a reason', (_name, facts, status) => {
    const readiness = readinessOf({ ...CLIENT, ...facts });
    expect(readiness.status).toBe(status);
    expect(readiness.reasons).not.toEqual([]);
  });
});
