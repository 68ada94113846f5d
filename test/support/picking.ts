// What the tests of pickers share: endpoints that are only numbers, plans of them, requests with a key.
import { Policy } from '../../src/balancer/policies.ts';
import type { PolicyName, PolicyOptions } from '../../src/balancer/options.ts';
import {
  slotOf,
  type Candidate,
  type PickContext,
  type Picker,
  type Slot,
  type Slots,
} from '../../src/balancer/picker.ts';
import type { Plan } from '../../src/balancer/plan.ts';
import type { PlannedPicker } from '../../src/balancer/planned-picker.ts';
import type { ResponseTime } from '../../src/balancer/response-time.ts';
import { Headers } from '../../src/http/headers.ts';
import { FakeClock } from './fake-clock.ts';

export interface TestEndpoint extends Candidate {
  inFlight: number;
  responseTime?: ResponseTime;
}

const HASH = { hash: [{ kind: 'header', name: 'x-user', isTerminal: false }], boundedLoad: undefined } as const;

/** Every policy, with its options by default; those that hash look at `x-user`. */
export const POLICIES: Readonly<Record<PolicyName, PolicyOptions>> = {
  'least-request': { policy: 'least-request' },
  'round-robin': { policy: 'round-robin' },
  random: { policy: 'random' },
  'peak-ewma': { policy: 'peak-ewma', decayMs: 10_000, initialMs: 30, penaltyMs: 5_000 },
  'ring-hash': { policy: 'ring-hash', ...HASH, points: 512 },
  maglev: { policy: 'maglev', ...HASH, tableSize: 65_537 },
};

export function endpoint(n: number): TestEndpoint {
  return { id: `e${n}`, address: `10.0.${n >> 8}.${n & 255}:80`, inFlight: 0 };
}

/** One slot for each weight; their endpoints are numbered from `from` on. */
export function slots(weights: readonly number[], from = 0): Slot<TestEndpoint>[] {
  return weights.map((weight, n) => slotOf(endpoint(from + n), weight));
}

/** Equal weights. */
export function equal(size: number, from = 0): Slot<TestEndpoint>[] {
  return slots(new Array<number>(size).fill(100), from);
}

/** The first group takes everything, those after it stand by; empty ones are left out. */
export function planOf(...groups: readonly (readonly Slot<TestEndpoint>[])[]): Plan<TestEndpoint> {
  const filled = groups
    .filter((group): group is Slots<TestEndpoint> => group.length > 0)
    .map((group, n) => ({ name: `group ${n}`, why: '', slots: group }));
  const [first, ...reserves] = filled;
  return { active: first === undefined ? [] : [{ ...first, share: 1 }], reserves };
}

export function build(
  options: PolicyOptions,
  plan: Plan<TestEndpoint>,
  seed = 1,
  previous?: PlannedPicker<TestEndpoint>,
): PlannedPicker<TestEndpoint> {
  const picker = new Policy<TestEndpoint>(options, new FakeClock({ seed })).pickerOf(plan, previous);
  if (picker === undefined) throw new Error('nothing to pick from');
  return picker;
}

/** A request of that user, which has tried these addresses. */
export function asked(user?: string, tried: readonly string[] = []): PickContext {
  return {
    attempts: tried.map((address) => ({ endpoint: address, result: undefined })),
    headers: user === undefined ? new Headers() : Headers.of(['X-User', user]),
    path: '/',
    affinity: '',
  };
}

/** Every request has a key of its own. */
let keys = 0;

export function pick(picker: Picker<TestEndpoint>, tried: readonly string[] = [], user?: string): TestEndpoint {
  const result = picker.pick(asked(user ?? `user ${keys++}`, tried));
  if (result.kind !== 'picked') throw new Error(result.kind);
  return result.endpoint;
}

/** How often each id is picked. */
export function counts(picker: Picker<TestEndpoint>, picks: number): Map<string, number> {
  const found = new Map<string, number>();
  for (let i = 0; i < picks; i++) {
    const { id } = pick(picker);
    found.set(id, (found.get(id) ?? 0) + 1);
  }
  return found;
}
