/** Rows of walhook.webhook, written from here as the role that may. */
import { Pool } from 'pg';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { loadConfig } from '../../src/config/load.ts';
import { rowMistakeOf, rowRulesOf, rowSentence } from '../../src/definitions/defineRow.ts';
import { RowRefused, RowStore } from '../../src/definitions/rowStore.ts';
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
const MERGE = { mode: 'merge', version: null } as const;
const REPLACE = { mode: 'replace', version: null } as const;
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
      pool: () => Promise.resolve(pool),
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
    expect(found).toEqual(made);
    expect(made.values).toMatchObject({ ...PLAIN, conditions, enabled: true });
    expect(await store.list()).toEqual([found]);
    await store.update('a', { enabled: false, timeout: '3s', secret_name: null }, MERGE);
    const { secret_name: _gone, ...rest } = made.values;
    expect((await store.find('a'))?.values).toEqual({ ...rest, enabled: false, timeout: '3s' });
    await store.update('a', { ...PLAIN, name: 'b' }, REPLACE);
    expect(await store.find('a')).toBeNull();
    expect((await store.find('b'))?.values).toEqual({ ...PLAIN, name: 'b', enabled: true });
    await store.delete('b', null);
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
    await store.delete('once', null);
    await expect(store.delete('once', null)).rejects.toMatchObject({ code: 'WEBHOOK_UNKNOWN' });
    await expect(store.update('once', {}, MERGE)).rejects.toMatchObject({ code: 'WEBHOOK_UNKNOWN' });
  });

  it('are changed by one editor at a time: who saw an older version is refused', async () => {
    const first = await store.create({ ...PLAIN, name: 'shared' });
    const mine = { mode: 'merge', version: first.version } as const;
    const changed = await store.update('shared', { timeout: '3s' }, mine);
    expect(changed.version).not.toBe(first.version);
    await expect(store.update('shared', { timeout: '4s' }, mine)).rejects.toMatchObject({
      code: 'WEBHOOK_CHANGED',
    });
    await expect(store.delete('shared', first.version)).rejects.toMatchObject({ code: 'WEBHOOK_CHANGED' });
    expect((await store.find('shared'))?.values['timeout']).toBe('3s');
    // By SQL too.
    await database.client.query("update walhook.webhook set concurrency = 3 where name = 'shared'");
    await expect(store.delete('shared', changed.version)).rejects.toMatchObject({ code: 'WEBHOOK_CHANGED' });
    await store.delete('shared', (await store.find('shared'))?.version ?? '');
    expect(await store.find('shared')).toBeNull();
  });

  it('are refused with every mistake, each with its path', async () => {
    const refused = await store
      .create({
        ...PLAIN,
        url: 'https://b.com/',
        conditions: { and: [{ attr: 'a', op: 'like' }] },
        timeout: 5,
      })
      .catch((error: unknown) => error);
    expect(refused).toBeInstanceOf(RowRefused);
    expect((refused as RowRefused).mistakes.map(({ path }) => path).sort()).toEqual([
      'conditions.and[0].op',
      'timeout',
      'url',
    ]);
    expect((refused as RowRefused).mistakes.map(rowSentence).map(rowMistakeOf)).toEqual(
      (refused as RowRefused).mistakes,
    );
  });

  it('are not for everybody to read or write', async () => {
    const name = `${database.name}_none`;
    await database.client.query(`create role "${name}"`);
    const other = (role: string) =>
      new RowStore({ pool: () => Promise.resolve(pool), role, rules: () => rules, fileNames: () => [] });
    await expect(other(name).list()).rejects.toMatchObject({ code: 'ROWS_UNAVAILABLE' });
    await expect(other(name).create(PLAIN)).rejects.toMatchObject({ code: 'ROWS_UNAVAILABLE' });
    await database.client.query(`drop role "${name}"`);
    // Where there is no such role, the pool's own rights decide.
    expect(await other(name).list()).toEqual([]);
  });

  it('are written by a role that is a member of walhook_editor, and by no other', async () => {
    const name = `${database.name}_daemon`;
    await database.client.query(`create role "${name}" login password 'x'`);
    const own = new Pool({ connectionString: database.urlFor({ user: name, password: 'x' }), max: 1 });
    const theirs = new RowStore({
      pool: () => Promise.resolve(own),
      role: 'walhook_editor',
      rules: () => rules,
      fileNames: () => [],
    });
    await expect(theirs.create(PLAIN)).rejects.toMatchObject({ code: 'ROWS_UNAVAILABLE' });
    await database.client.query(`grant walhook_editor to "${name}"`);
    expect(await theirs.create(PLAIN)).toMatchObject({ values: { name: 'a' } });
    await theirs.delete('a', null);
    await own.end();
    await database.client.query(`drop role "${name}"`);
  });
});
