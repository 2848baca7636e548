import { defineConfig } from 'vitest/config';

// Minutes of faults at random: a command of its own, `npm run test:chaos -- --seed N --minutes M`.
export default defineConfig({
  test: {
    include: ['test/chaos/**/*.chaos.ts'],
    globalSetup: ['test/helpers/globalSetup.ts'],
    testTimeout: 3_600_000,
    hookTimeout: 120_000,
    fileParallelism: false,
  },
});
