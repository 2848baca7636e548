/**
 * The application's own INSERT, UPDATE and DELETE on every combination of replica identity, key, columns left out and
 * generated columns, on a table and through a partition: none fails after setup that did not fail before. Most would,
 * were every table simply published; that is tried as well.
 */
import { Client } from 'pg';
import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest';
import { loadConfig } from '../../src/config/load.ts';
import { performSetup } from '../../src/setup/perform.ts';
import { type Fixture, openFixture } from './fixture.ts';

const VERSION = inject('postgresVersion');
const IDENTITIES = ['default', 'index', 'full', 'nothing'] as const;
const KEYS = { 'no key': null, 'a key': 'id', 'a composite key': 'id, code' } as const;
/** Left out by walhook, or by a column list of a publication that was there (15 and later). */
const EXCLUDES = ['nothing', 'by exclude', 'by a column list', 'by a list without the key'] as const;
const GENERATED = { none: 14, stored: 14, virtual: 18 } as const;
const LAYOUTS = ['a table', 'a partition'] as const;

interface Combination {
  readonly identity: (typeof IDENTITIES)[number];
  readonly key: keyof typeof KEYS;
  readonly exclude: (typeof EXCLUDES)[number];
  readonly generated: keyof typeof GENERATED;
  readonly layout: (typeof LAYOUTS)[number];
}

const COMBINATIONS: readonly Combination[] = IDENTITIES.flatMap((identity) =>
  (Object.keys(KEYS) as Combination['key'][]).flatMap((key) =>
    EXCLUDES.filter((exclude) => VERSION >= 15 || !exclude.includes('list')).flatMap((exclude) =>
      (Object.keys(GENERATED) as Combination['generated'][])
        .filter((generated) => VERSION >= GENERATED[generated])
        .flatMap((generated) => LAYOUTS.map((layout) => ({ identity, key, exclude, generated, layout }))),
    ),
  ),
);

function tableSql({ identity, key, generated, layout }: Combination): string {
  const columns = ['id int not null', 'code text not null', 'v text', 'secret text'];
  if (generated !== 'none') columns.push(`g text generated always as (v || '!') ${generated}`);
  const keyColumns = KEYS[key];
  if (keyColumns !== null) columns.push(`primary key (${keyColumns})`);
  const isParted = layout === 'a partition';
  const leaf = isParted ? 't_low' : 't';
  const parts = isParted
    ? 'create table t_low partition of t for values from (0) to (100); create table t_rest partition of t default;'
    : '';
  const using = identity === 'index' ? 'using index identity_of_t' : identity;
  return `
    create table t (${columns.join(', ')}) ${isParted ? 'partition by range (id)' : ''}; ${parts}
    create unique index identity_of_t on ${leaf} (id, code);
    alter table ${leaf} replica identity ${using};
    grant all on all tables in schema public to public`;
}

/** A publication of the user's own choosing that setup finds. */
function publicationSql({ exclude, generated }: Combination): string | null {
  if (exclude === 'by a column list') {
    return `create publication walhook for table t (id, code, v${generated === 'stored' && VERSION >= 18 ? ', g' : ''}) with (publish_via_partition_root = true)`;
  }
  return exclude === 'by a list without the key'
    ? "create publication walhook for table t (v) with (publish = 'insert', publish_via_partition_root = true)"
    : null;
}

const STATEMENTS = [
  ['INSERT', "insert into t (id, code, v, secret) values (1, 'a', 'v', 's'), (200, 'b', 'v', 's')"],
  ['UPDATE', "update t set v = 'w'"],
  ['UPDATE of the key', 'update t set id = id + 1'],
  ['UPDATE to another partition', 'update t set id = id + 100 where id < 100'],
  ['DELETE', 'delete from t'],
] as const;

let of: Fixture;
let app: Client;

beforeAll(async () => {
  of = await openFixture();
  await of.client.query(`create role ${of.database.name}_app login password 'pw'`);
  app = new Client({
    connectionString: of.database.urlFor({ user: `${of.database.name}_app`, password: 'pw' }),
  });
  await app.connect();
});
afterAll(async () => {
  await app.end();
  await of.client.query(`drop owned by ${of.database.name}_app; drop role ${of.database.name}_app`);
  await of[Symbol.asyncDispose]();
});

/** The statements that fail for the application, by name. */
async function failing(layout: Combination['layout']): Promise<string[]> {
  const failed: string[] = [];
  for (const target of layout === 'a partition' ? ['t', 't_low'] : ['t']) {
    await app.query('begin');
    for (const [name, sql] of STATEMENTS) {
      if (target === 't_low' && name === 'UPDATE to another partition') continue;
      const ownRows = target === 't_low' ? sql.replace(", (200, 'b', 'v', 's')", '') : sql;
      await app.query('savepoint one');
      await app.query(ownRows.replace(/\bt\b/, target)).catch(async () => {
        failed.push(`${name} on ${target}`);
        await app.query('rollback to one');
      });
    }
    await app.query('rollback');
  }
  return failed;
}

async function setUp({ exclude }: Combination, wantsIdentities: boolean): Promise<string | null> {
  const model = {
    name: 't',
    table: 'public.t',
    ...(exclude === 'by exclude' ? { exclude: ['secret'] } : {}),
    ...(wantsIdentities ? { before_image: 'full' } : {}),
  };
  const text = JSON.stringify({
    postgres: { url: of.database.url, slot: of.database.name, tables: ['public.*'] },
    queue: { url: of.config.queue.url.reveal() },
    models: [model],
  });
  const { loaded, mistakes } = loadConfig(text, { source: { env: {}, readFile: () => '' } });
  if (loaded === null) throw new Error(JSON.stringify(mistakes));
  const request = {
    only: ['publication', 'schema'] as const,
    timeoutMs: 10_000,
    ...(wantsIdentities ? { identities: true } : {}),
  };
  return performSetup(of.client, of.store, loaded.config, of.names, request, () => undefined).then(
    () => null,
    (error: unknown) => (error as { code?: string }).code ?? String(error),
  );
}

const nameOf = (one: Combination) =>
  `identity ${one.identity}, ${one.key}, left out ${one.exclude}, generated ${one.generated}, ${one.layout}`;

describe('the application’s own writes', () => {
  it(`go on working after setup, in ${COMBINATIONS.length} combinations`, { timeout: 400_000 }, async () => {
    const broken: string[] = [];
    const outcomes = { set: 0, refused: 0, wouldBreak: 0 };
    for (const combination of COMBINATIONS) {
      for (const wantsIdentities of [false, true]) {
        await of.client.query(tableSql(combination));
        const publication = publicationSql(combination);
        if (publication !== null) await of.client.query(publication);
        const before = await failing(combination.layout);
        const refusal = await setUp(combination, wantsIdentities);
        const after = await failing(combination.layout);
        const name = `${nameOf(combination)}${wantsIdentities ? ', identities set' : ''}`;
        broken.push(...after.filter((one) => !before.includes(one)).map((one) => `${one}: ${name}`));
        if (refusal !== null) expect([name, refusal]).toEqual([name, 'SETUP_UNSAFE']);
        outcomes[refusal === null ? 'set' : 'refused'] += 1;
        if (!wantsIdentities && publication === null) {
          await of.client.query(
            'drop publication if exists walhook; create publication naive for all tables',
          );
          if ((await failing(combination.layout)).length > before.length) outcomes.wouldBreak += 1;
        }
        await of.client.query(
          'drop publication if exists walhook, naive; drop schema if exists walhook cascade; drop table t',
        );
      }
    }
    expect(broken).toEqual([]);
    // The test would notice: published as they are, many of these tables refuse writes.
    expect(outcomes.wouldBreak).toBeGreaterThan(5);
    expect(Math.min(outcomes.set, outcomes.refused)).toBeGreaterThan(COMBINATIONS.length / 3);
  });
});
