import { describe, expect, it } from 'vitest';
import {
  connect,
  NO_TLS,
  openPool,
  type PostgresTarget,
  settledOptions,
} from '../../src/database/connect.ts';
import { freePort } from '../../src/demo/embeddedPostgres.ts';
import { createDatabase } from '../helpers/database.ts';
import { openProxy } from '../helpers/proxy.ts';
import { until } from '../helpers/until.ts';

const targetOf = (url: string, more: Partial<PostgresTarget> = {}): PostgresTarget => ({
  url: () => url,
  tls: NO_TLS,
  role: 'watched',
  ...more,
});

// The embedded server speaks no TLS: prefer falls back, require does not.
describe('connecting', () => {
  it.each(['disable', 'allow', 'prefer'] as const)('works with %s', async (mode) => {
    await using database = await createDatabase();
    const client = await connect(targetOf(database.url, { tls: { ...NO_TLS, mode } }));
    const { rows } = await client.query(
      'select current_database() as name, application_name from pg_stat_activity where pid = pg_backend_pid()',
    );
    await client.end();
    expect(rows).toEqual([{ name: database.name, application_name: 'walhook' }]);
  });

  it.each(['require', 'verify-ca', 'verify-full'] as const)('is refused without TLS by %s', async (mode) => {
    await using database = await createDatabase();
    await expect(connect(targetOf(database.url, { tls: { ...NO_TLS, mode } }))).rejects.toMatchObject({
      code: 'POSTGRES_UNREACHABLE',
      message: expect.stringContaining('SSL'),
    });
  });

  it('settles the TLS choice by one trial', async () => {
    await using database = await createDatabase();
    expect(await settledOptions(targetOf(database.url))).toMatchObject({ ssl: false });
  });

  it.each([
    ['a wrong password', { password: 'wrong-pw' }, 'POSTGRES_AUTHENTICATION'],
    ['an unknown user', { user: 'nobody-here', password: 'wrong-pw' }, 'POSTGRES_AUTHENTICATION'],
    ['an unknown database', { database: 'nowhere' }, 'POSTGRES_AUTHENTICATION'],
  ])('says of %s that the server refused', async (_what, changes, code) => {
    await using database = await createDatabase();
    const refused = await connect(targetOf(database.urlFor(changes))).catch((error: unknown) => error);
    expect(refused).toMatchObject({ code });
    expect(String(refused)).not.toContain('wrong-pw');
  });

  it('says where no server is', async () => {
    const port = await freePort();
    await expect(connect(targetOf(`postgres://u:pw@127.0.0.1:${port}/d`))).rejects.toMatchObject({
      code: 'POSTGRES_UNREACHABLE',
      message: expect.stringContaining(`u@127.0.0.1:${port}/d`),
    });
  });

  it('survives a server that ends an idle connection', async () => {
    await using database = await createDatabase();
    const client = await connect(targetOf(database.url));
    const pool = await openPool(targetOf(database.url), 2);
    await pool.query('select 1');
    const ended = new Promise<void>((resolve) => client.once('end', () => resolve()));
    await database.client.query(
      "select pg_terminate_backend(pid) from pg_stat_activity where datname = current_database() and application_name = 'walhook'",
    );
    await ended;
    await until(() => pool.idleCount === 0);
    expect((await pool.query('select 1 as one')).rows).toEqual([{ one: 1 }]);
    await pool.end();
  });

  it('gives up on a server that accepts and says nothing', { timeout: 30_000 }, async () => {
    await using database = await createDatabase();
    await using proxy = await openProxy(database.url);
    proxy.swallow('both');
    const tls = { ...NO_TLS, mode: 'disable' as const };
    await expect(
      connect(targetOf(proxy.url, { tls }), { connectionTimeoutMillis: 300 }),
    ).rejects.toMatchObject({
      code: 'POSTGRES_UNREACHABLE',
    });
  });
});
