import { defineConfig } from 'vitest/config';
import { LongestFirst } from './test/support/longest-first.ts';
import { RepeatedTests } from './test/support/repeated.ts';

export default defineConfig({
  test: {
    include: ['test/**/*.test.ts'],
    globalSetup: ['test/support/build.ts', 'test/support/missing.ts'],
    setupFiles: ['test/support/orphan.ts'],
    // A test that hangs ends; how long something may take says the test. Longer than what `until` waits for by itself.
    testTimeout: 60_000,
    hookTimeout: 60_000,
    pool: 'forks',
    // On two cores: one that waits for real servers, most of the time, beside two that work.
    maxWorkers: 3,
    sequence: { sequencer: LongestFirst },
    // The conformance cases wait for registries most of their time; at sixteen some were late for a TTL of 3 s.
    maxConcurrency: 10,
    // One repetition tells a machine that stalls from a defect; which tests needed it is told at the end of the run.
    retry: process.env['CI'] === undefined ? 0 : 1,
    reporters: ['default', new RepeatedTests()],
  },
});
