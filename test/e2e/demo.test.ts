// The demo, ended by a person who has seen enough.
import { expect, it } from 'vitest';
import { pilotfish } from '../support/processes.ts';
import { until } from '../support/until.ts';

it('ends at once and without a stack when it is interrupted', async () => {
  const demo = pilotfish(['demo']);
  await until('the first second is over', () => demo.lines.some((line) => line.includes('answers/s')));
  demo.child.kill('SIGINT');
  expect(await demo.exited).toBe(1);
  expect(demo.stderr).toEqual(['pilotfish: the demo was interrupted before its end']);
});
