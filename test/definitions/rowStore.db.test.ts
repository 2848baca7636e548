/** Rows of walhook.webhook, written from here as the role that may. */
import { Pool } from 'pg';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { loadConfig } from '../../src/config/load.ts';
import { rowRulesOf } from '../../src/definitions/defineRow.ts';
import { RowStore } from '../../src/definitions/rowStore.ts';
import { readSql } from '../../src/setup/perform.ts';
import { createDatabase, type TestDatabase } from '../helpers/database.ts';

const { loaded } = loadConfig(
  JSON.stringify({
    postgres: { url: 'postgres://h/d' },
    queue: { url: 'redis://h' },
    secrets: { ours: 'x' },
    rows: { allow_hosts: ['a.com'] },
  }),
  { source: { env: {}, readFile: () => '' } },
);
if (loaded === null) throw new Error('the configuration is wrong');
const rules = rowRulesOf(loaded.config);
const PLAIN = { name: 'a', models: ['orders', '*'], events: ['created'], url: 'https://a.com/' };

describe('rows of walhook.webhook', () => {
  let database: TestDatabase;
  let pool: Pool;
  let store: RowStore;

  beforeAll(async () => {
    database = await createDatabase();
    await database.client.query(readSql('schema.sql'));
    pool = new Pool({ connectionString: database.url, max: 1 });
    store = new RowStore({
      pool,
      role: 'walhook_editor',
      rules: () => rules,
      fileNames: () => ['of the file'],
    });
  });

  afterAll(async () => {
    await pool.end();
    await database[Symbol.asyncDispose]();
  });

  it('are made, found, changed and deleted, no digit lost', async () => {
    const conditions = {
      and: [
        { attr: 'n', value: 12345678901234567890n },
        { attr: 'x', value: "it's" },
      ],
    };
    const made = await store.create({
      ...PLAIN,
      conditions,
      secret_name: 'ours',
      retry: { schedule: ['5s'] },
    });
    const found = await store.find('a');
    expect(found).toEqual({ id: made.id, values: { ...made.values, enabled: true } });
    expect(await store.list()).toEqual([found]);
    await store.update('a', { enabled: false, timeout: '3s', secret_name: null }, 'merge');
    const { secret_name: _gone, ...rest } = made.values;
    expect((await store.find('a'))?.values).toEqual({ ...rest, enabled: false, timeout: '3s' });
    await store.update('a', { ...PLAIN, name: 'b' }, 'replace');
    expect(await store.find('a')).toBeNull();
    expect((await store.find('b'))?.values).toEqual({ ...PLAIN, name: 'b', enabled: true });
    await store.delete('b');
    expect(await store.list()).toEqual([]);
  });

  it.each([
    ['a host that is not allowed', { url: 'https://b.com/' }, /^url: /],
    ['a name of the file', { name: 'of the file' }, /^name: /],
    ['a secret', { secret: 'x' }, /^secret: unknown key/],
  ])('are refused for %s, and nothing is written', async (_what, more, message) => {
    await expect(store.create({ ...PLAIN, ...more })).rejects.toMatchObject({
      code: 'WEBHOOK_INVALID',
      message,
    });
    expect(await store.list()).toEqual([]);
  });

  it('are told by name, each name once', async () => {
    await store.create({ ...PLAIN, name: 'once' });
    await expect(store.create({ ...PLAIN, name: 'once' })).rejects.toMatchObject({ code: 'WEBHOOK_INVALID' });
    await store.delete('once');
    await expect(store.delete('once')).rejects.toMatchObject({ code: 'WEBHOOK_UNKNOWN' });
    await expect(store.update('once', {}, 'merge')).rejects.toMatchObject({ code: 'WEBHOOK_UNKNOWN' });
  });

  it('are not for everybody to read or write', async () => {
    await database.client.query(`create role "${database.name}_none"`);
    const other = new RowStore({
      pool,
      role: `${database.name}_none`,
      rules: () => rules,
      fileNames: () => [],
    });
    await expect(other.list()).rejects.toMatchObject({ code: 'ROWS_UNAVAILABLE' });
    await expect(other.create(PLAIN)).rejects.toMatchObject({ code: 'ROWS_UNAVAILABLE' });
    await database.client.query(`drop role "${database.name}_none"`);
  });
});
