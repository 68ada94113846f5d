import { defineConfig } from 'vitest/config';

export default defineConfig({
  test: {
    include: ['test/**/*.test.ts'],
    globalSetup: ['test/support/build.ts', 'test/support/missing.ts'],
    setupFiles: ['test/support/orphan.ts'],
    testTimeout: 20_000,
    hookTimeout: 20_000,
    pool: 'forks',
    maxWorkers: 2,
    // The conformance cases wait for registries most of their time.
    maxConcurrency: 8,
    // One repetition tells a machine that stalls from a defect; vitest prints which tests needed it.
    retry: process.env['CI'] === undefined ? 0 : 1,
    reporters: ['default'],
  },
});
