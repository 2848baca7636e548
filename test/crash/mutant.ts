/** A build with a mistake in it, to show that a test can fail. */
import { cp, mkdtemp, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

const ROOT = fileURLToPath(new URL('../../', import.meta.url));

export interface Mutation {
  readonly file: string;
  readonly original: string;
  readonly mistaken: string;
}

/** Acknowledges a commit when it has been read, one flush before it is stored. */
export const ACKNOWLEDGES_TOO_FAR: readonly Mutation[] = [
  {
    file: 'dist/enqueue/enqueuer.js',
    original: 'if (isAfter(position, this.#next.position)) {',
    mistaken:
      'if (settles !== null) this.#options.onSettled(settles);\n        if (isAfter(position, this.#next.position)) {',
  },
  {
    file: 'dist/capture/capture.js',
    original: 'onSettled: (lsn) => watch.offer(lsn),',
    mistaken: 'onSettled: (lsn) => { acker.settle(lsn, clock.monotonic()); stream.sendStatus(); },',
  },
];

/** Copies the build, makes the mistake, and returns the copy's main.js. */
export async function buildMutant(
  mutations: readonly Mutation[],
): Promise<{ main: string } & AsyncDisposable> {
  const folder = await mkdtemp(path.join(tmpdir(), 'walhook-mutant-'));
  for (const part of ['assets', 'dist', 'sql', 'package.json']) {
    await cp(path.join(ROOT, part), path.join(folder, part), { recursive: true });
  }
  await symlink(path.join(ROOT, 'node_modules'), path.join(folder, 'node_modules'));
  for (const mutation of mutations) {
    const file = path.join(folder, mutation.file);
    const text = await readFile(file, 'utf8');
    if (text.split(mutation.original).length !== 2)
      throw new Error(`the mutation does not fit ${mutation.file} any more`);
    await writeFile(file, text.replace(mutation.original, mutation.mistaken));
  }
  return {
    main: path.join(folder, 'dist/main.js'),
    [Symbol.asyncDispose]: () => rm(folder, { recursive: true, force: true }),
  };
}
