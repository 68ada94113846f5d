import fc from 'fast-check';
import { expect, test } from 'vitest';
import type { HostPort } from '../../../src/registry/address.ts';
import { Admission, type AddressPolicy } from '../../../src/registry/admission.ts';
import { instance, reading } from './fake-driver.ts';

let own: readonly HostPort[] = [];
const POLICY: AddressPolicy = { allowsLoopback: false, ownAddresses: () => own };

test('reading by reading the same is admitted as of the last one alone', () => {
  const host = fc.constantFrom('10.0.0.1', '10.0.0.2', '127.0.0.1');
  const record = fc.tuple(fc.constantFrom('a', 'b', 'c', 'd', 'e'), host, fc.integer({ min: 1, max: 2 }));
  const bound = fc.constantFrom([], [{ host: '10.0.0.2', port: 8080 }]);
  fc.assert(
    fc.property(fc.array(fc.tuple(fc.array(record, { maxLength: 7 }), bound), { maxLength: 8 }), (steps) => {
      own = [];
      const admission = new Admission(POLICY);
      for (const [records, addresses] of steps) {
        own = addresses;
        const next = reading(records.map(([id, at, weight]) => instance(id, { host: at, weight })));
        expect(admission.take(next)).toEqual(new Admission(POLICY).take(next));
      }
    }),
  );
});

test('what says the same stays the same object, and a list of them the same list', () => {
  own = [];
  const admission = new Admission(POLICY);
  const { instances } = admission.take(reading(['a', 'b', 'c']));
  expect(admission.take(reading(['c', 'b', 'a'])).instances).toEqual(instances);
  const changed = admission.take(reading(['a', instance('b', { weight: 1 }), 'c', 'd'])).instances;
  expect(changed.map((one, at) => one === instances[at])).toEqual([true, false, true, false]);
  const again = reading(changed);
  expect(admission.take(again).instances).toBe(admission.take(again).instances);
});

test('a listener of ours that is bound later turns away who points to it, and lets go of who points to the old one', () => {
  own = [];
  const admission = new Admission(POLICY);
  const given = reading([instance('a', { port: 1 }), instance('b', { port: 2 })]);
  const ids = (): string[] => admission.take(given).instances.map(({ id }) => id);
  expect(ids()).toEqual(['a', 'b']);
  own = [{ host: '10.0.0.1', port: 1 }];
  expect(ids()).toEqual(['b']);
  own = [{ host: '10.0.0.1', port: 2 }];
  expect(ids()).toEqual(['a']);
});

test('what was kept on disk is judged as soon as the registry names it, though it says the same', () => {
  own = [];
  const admission = new Admission(POLICY);
  const kept = [instance('a'), instance('b', { host: '127.0.0.1' })];
  admission.seed(kept);
  const { instances, rejected } = admission.take(reading([instance('a'), instance('b', { host: '127.0.0.1' })]));
  expect(instances).toEqual([instance('a')]);
  expect(rejected).toEqual([{ ref: 'b', reason: 'loopback address' }]);
});
