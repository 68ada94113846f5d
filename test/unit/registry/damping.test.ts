import { expect, test } from 'vitest';
import { Damping } from '../../../src/registry/damping.ts';

test('two restarts are no flapping, three in a row are', () => {
  const damping = new Damping();
  damping.disappeared('a', 0);
  damping.disappeared('a', 5_000);
  expect([...damping.flapping()]).toEqual([]);
  damping.disappeared('a', 10_000);
  expect([...damping.flapping()]).toEqual(['a']);
});

test('a penalty halves each minute: forgiven below the reuse level, then forgotten', () => {
  const damping = new Damping();
  for (let flap = 0; flap < 3; flap++) damping.disappeared('a', 0);
  expect(damping.calmAtMs).toBeCloseTo(120_001, 0);
  expect(damping.decay(119_000)).toBe(false);
  expect(damping.decay(damping.calmAtMs ?? 0)).toBe(true);
  expect([[...damping.flapping()], damping.calmAtMs]).toEqual([[], undefined]);
  damping.decay(300_000);
  expect(damping.size).toBe(0);
});

test('the worst flapper is forgiven after four half-lives', () => {
  const damping = new Damping();
  for (let flap = 0; flap < 1_000; flap++) damping.disappeared('a', 0);
  damping.decay(240_001);
  expect([...damping.flapping()]).toEqual([]);
});

test('memory is bounded', () => {
  const damping = new Damping();
  for (let id = 0; id < 30_000; id++) damping.disappeared(String(id), 0);
  expect(damping.size).toBe(20_000);
});
