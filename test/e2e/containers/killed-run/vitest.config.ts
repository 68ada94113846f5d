// A run of its own, which left-behind.test.ts starts and kills.
import { defineConfig } from 'vitest/config';

export default defineConfig({
  test: {
    include: ['test/e2e/containers/killed-run/servers.ts'],
    pool: 'forks',
    setupFiles: ['test/support/orphan.ts'],
  },
});
