import { defineConfig } from 'vitest/config';

// The package as npm makes it, on each Node that it promises: a command of its own, for it installs from npm's
// registry. `npm run test:tarball`
export default defineConfig({
  test: {
    include: ['test/tarball/**/*.tarball.ts'],
    globalSetup: ['test/helpers/globalSetup.ts'],
    testTimeout: 300_000,
    hookTimeout: 300_000,
    fileParallelism: false,
  },
});
