/**
 * pgstream, its webhooks. https://github.com/xataio/pgstream
 *
 * Fetched as its Go module, which Go checks against its database of checksums, and built as its own main
 * module: with the versions that its authors build it with. 1.3.1 and not 1.4.1, the newest, which module
 * proxies may hold back. Needs a PostgreSQL with wal2json: the contest then takes place on a server of
 * the machine that has it, for all. Settings: subscriptions cached, as many workers as there are
 * connections, only errors logged; a worker sends one change to one of its URLs, so that one URL is sent one request at a time.
 *
 * Does not: know transactions, sign, honour Retry-After, keep receivers apart, keep what a receiver refuses
 * for good, filter rows.
 */
import { execFileSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { freePort } from '../../src/demo/embeddedPostgres.ts';
import type { Contender, Place } from '../contest/contender.ts';
import { type Program, startProgram } from '../contest/processes.ts';
import { cacheFolder, run, untilSlotIsActive } from './peer.ts';

const MODULE = 'github.com/xataio/pgstream@v1.3.1';

const binFolder = (): string => path.join(cacheFolder(), 'bin');

/** Ours, else one on the PATH. */
function findBinary(): string | null {
  const folders = [binFolder(), ...(process.env['PATH'] ?? '').split(':')];
  return folders.map((folder) => path.join(folder, 'pgstream')).find((file) => existsSync(file)) ?? null;
}

/** The folder with bin/ and lib/ of a PostgreSQL that has wal2json. */
export function serverWithWal2Json(): string | null {
  const named = process.env['BENCH_POSTGRES'];
  const folders = ['18', '17', '16', '15', '14'].map((version) => `/usr/lib/postgresql/${version}`);
  return (
    [...(named === undefined ? [] : [named]), ...folders].find((folder) =>
      existsSync(path.join(folder, 'lib', 'wal2json.so')),
    ) ?? null
  );
}

async function start(place: Place): Promise<Program> {
  const command = findBinary();
  if (command === null) throw new Error('no pgstream');
  const url = `${place.url}?sslmode=disable`;
  const address = `127.0.0.1:${await freePort()}`;
  const env = {
    PGSTREAM_POSTGRES_LISTENER_URL: url,
    PGSTREAM_POSTGRES_REPLICATION_SLOT_NAME: place.slot,
    PGSTREAM_WEBHOOK_SUBSCRIPTION_STORE_URL: url,
    PGSTREAM_WEBHOOK_SUBSCRIPTION_STORE_CACHE_ENABLED: 'true',
    PGSTREAM_WEBHOOK_SUBSCRIPTION_STORE_CACHE_REFRESH_INTERVAL: '1s',
    PGSTREAM_WEBHOOK_SUBSCRIPTION_SERVER_ADDRESS: address,
    PGSTREAM_WEBHOOK_NOTIFIER_WORKER_COUNT: String(place.connections),
  };
  const slots = await place.sql('select from pg_replication_slots where slot_name = $1', [place.slot]);
  if (slots.length === 0) {
    const init = ['init', '--postgres-url', url, '--replication-slot', place.slot];
    // It draws what it does: shown only if it fails.
    execFileSync(command, init, { stdio: ['ignore', 'ignore', 'pipe'], env: { ...process.env, ...env } });
  }
  const args = ['run', '--log-level', 'error'];
  const program = await startProgram({ command, args, cwd: place.folder, env, ready: null });
  await untilSlotIsActive(place, program);
  await fetch(`http://${address}/webhooks/subscribe`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ url: place.receiverUrl, schema: 'public', table: 'load' }),
  });
  // The cache of subscriptions has it by then.
  await new Promise((resolve) => setTimeout(resolve, 2_500));
  return program;
}

export const PGSTREAM: Contender = {
  name: 'pgstream',
  title: 'pgstream, webhooks',
  lacks: 'transactions, signatures, several requests at a time to one URL, what a receiver refused for good',
  usesRedis: false,
  missing: async () => {
    if (findBinary() === null) return 'not fetched';
    return serverWithWal2Json() === null ? 'no PostgreSQL with wal2json' : null;
  },
  fetch: async () => {
    if (findBinary() !== null) return;
    const source = path.join(cacheFolder(), 'pgstream');
    const said = execFileSync('go', ['mod', 'download', '-json', MODULE], {
      cwd: tmpdir(),
      encoding: 'utf8',
    });
    const { Dir: downloaded } = JSON.parse(said) as { readonly Dir: string };
    // The module cache is read-only, and a copy of it would be.
    await rm(source, { recursive: true, force: true });
    run('cp', ['-r', '--no-preserve=mode', downloaded, source]);
    await mkdir(binFolder(), { recursive: true });
    run('go', ['-C', source, 'build', '-mod=readonly', '-o', path.join(binFolder(), 'pgstream'), '.']);
  },
  start,
};
