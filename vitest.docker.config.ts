import { defineConfig } from 'vitest/config';

// Image and stack, where Docker is: a command of its own, `npm run test:docker`.
export default defineConfig({
  test: {
    include: ['test/docker/**/*.docker.ts'],
    testTimeout: 600_000,
    hookTimeout: 900_000,
    fileParallelism: false,
  },
});
