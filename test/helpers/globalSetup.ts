/** Starts the services that the tests share, once per run, and stops them at its end. */
import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { Client } from 'pg';
import type { TestProject } from 'vitest/node';
import { Scope } from '../../src/core/lifecycle.ts';
import { startRedis } from './redisServer.ts';
import { startPostgres } from './servers.ts';

declare module 'vitest' {
  export interface ProvidedContext {
    /** A superuser's URL of a server whose databases the tests make and drop. */
    postgresUrl: string;
    /** That server's major version. */
    postgresVersion: number;
    /** null where no Redis is to be had. */
    redisUrl: string | null;
  }
}

export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  const scope = new Scope();
  // The commands are tested as users run them: built. WALHOOK_TEST_BUILD=no takes dist/ as it is.
  if (process.env['WALHOOK_TEST_BUILD'] !== 'no') {
    await promisify(execFile)('npx', ['tsc', '-p', 'tsconfig.build.json']);
  }

  let postgresUrl = process.env['TEST_PG_URL'];
  if (postgresUrl === undefined) {
    const settings = { max_connections: '100', max_replication_slots: '60', max_wal_senders: '60' };
    const postgres = await startPostgres(settings);
    scope.defer(() => postgres.server.stop());
    postgresUrl = postgres.url;
  }
  project.provide('postgresUrl', postgresUrl);
  project.provide('postgresVersion', await majorVersion(postgresUrl));

  const redis = await startRedis();
  if (redis !== null) {
    scope.defer(() => redis.stop());
  } else if (process.env['CI'] === 'true') {
    throw new Error(
      'No Redis: set REDIS_URL, or install redis-server, or Docker. With CI=true its tests are not skipped.',
    );
  } else {
    process.stderr.write(
      '\n*** NO REDIS FOUND (REDIS_URL, redis-server, Docker): ITS TESTS ARE SKIPPED ***\n\n',
    );
  }
  project.provide('redisUrl', redis?.url ?? null);
  return () => scope.close();
}

async function majorVersion(url: string): Promise<number> {
  const client = new Client({ connectionString: url });
  await client.connect();
  try {
    const { rows } = await client.query<{ v: number }>(
      "select current_setting('server_version_num')::int / 10000 as v",
    );
    return rows[0]?.v ?? 0;
  } finally {
    await client.end();
  }
}
