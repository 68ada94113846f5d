// The alerting rules of deploy/prometheus, judged by Prometheus' own tool.
import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { expect, it } from 'vitest';
import { METRICS } from '../../../src/telemetry/metric-catalogue.ts';
import { reportMissing } from '../../support/missing.ts';

const directory = fileURLToPath(new URL('../../../deploy/prometheus/', import.meta.url));
const hasPromtool = spawnSync('promtool', ['--version']).status === 0;
if (!hasPromtool) reportMissing('promtool', "Debian's package prometheus has it");

function promtool(...args: readonly string[]): string {
  const { status, stdout, stderr } = spawnSync('promtool', args, { cwd: directory, encoding: 'utf8' });
  return status === 0 ? 'ok' : `${stdout}${stderr}`;
}

it.skipIf(!hasPromtool)('the rules are valid', () => {
  expect(promtool('check', 'rules', 'pilotfish-rules.yaml')).toBe('ok');
});

it.skipIf(!hasPromtool)('the rule of traffic drop fires where it should, and nowhere else', () => {
  expect(promtool('test', 'rules', 'pilotfish-rules-test.yaml')).toBe('ok');
});

it('the rules ask for metrics that there are', () => {
  const text = readFileSync(`${directory}pilotfish-rules.yaml`, 'utf8');
  const names = [...text.matchAll(/\bpilotfish_[a-z_]+/g)].map(([name]) => name);
  expect(names.length).toBeGreaterThan(0);
  for (const name of names) expect(METRICS).toHaveProperty(name);
});
