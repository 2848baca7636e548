import { defineConfig } from 'vitest/config';

// Minutes of killing and restarting: a command of its own, `npm run test:crash`.
export default defineConfig({
  test: {
    include: ['test/crash/**/*.crash.ts'],
    globalSetup: ['test/helpers/globalSetup.ts'],
    testTimeout: 600_000,
    hookTimeout: 60_000,
    fileParallelism: false,
  },
});
