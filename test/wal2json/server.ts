/** A server that has wal2json: Debian's, beside the embedded one, which has not. */
import { existsSync } from 'node:fs';
import { type EmbeddedPostgres, startEmbeddedPostgres } from '../../src/demo/embeddedPostgres.ts';

const ROOTS = [18, 17, 16, 15, 14].map((version) => `/usr/lib/postgresql/${version}`);

/** The folder of a PostgreSQL with the plugin; null where none is installed, which is said loudly. */
export const WAL2JSON_ROOT: string | null =
  ROOTS.find((root) => existsSync(`${root}/lib/wal2json.so`) && existsSync(`${root}/bin/initdb`)) ?? null;

if (WAL2JSON_ROOT === null) {
  const missing = 'no PostgreSQL with wal2json (Debian: postgresql-N-wal2json)';
  if (process.env['CI'] === 'true') throw new Error(`${missing}: with CI=true its tests are not skipped`);
  process.stderr.write(`\n*** ${missing.toUpperCase()}: ITS TESTS ARE SKIPPED ***\n\n`);
}

export function startWal2jsonServer(): Promise<EmbeddedPostgres> {
  if (WAL2JSON_ROOT === null) throw new Error('no wal2json');
  const settings = { max_prepared_transactions: '10', max_replication_slots: '60', max_wal_senders: '60' };
  return startEmbeddedPostgres({ binaries: WAL2JSON_ROOT, settings });
}
