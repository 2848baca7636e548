/**
 * 17: large values under every replica identity, with an audit trigger as the oracle: what a snapshot says is what
 * the trigger saw, and what PostgreSQL did not send is named as such, never taken for NULL.
 */
import { describe, expect, it } from 'vitest';
import { until } from '../helpers/until.ts';
import { openScenario, untilCapturing } from './fixture.ts';

const IDENTITIES = {
  by_default: '',
  by_full: 'alter table by_full replica identity full',
  by_index: 'alter table by_index replica identity using index by_index_code',
} as const;
type TableName = keyof typeof IDENTITIES;
const TABLES = Object.keys(IDENTITIES) as TableName[];

/** Stored in the row, compressed in the row, compressed out of it, out of it as it is. */
const VALUES = {
  none: 'null',
  small: "'s'",
  compressed: "repeat('abcdefgh', 1000)",
  far: "(select string_agg(md5(i::text), '') from generate_series(1, 400) as i)",
} as const;
type ValueName = keyof typeof VALUES;
const NAMES = Object.keys(VALUES) as ValueName[];

type Row = Readonly<Record<string, unknown>> | null;
interface Seen {
  readonly event: string;
  readonly model: string;
  readonly snapshots: { readonly prechange: Row; readonly postchange: Row };
  readonly unavailable?: {
    readonly prechange?: Record<string, string>;
    readonly postchange?: Record<string, string>;
  };
}

/** What a snapshot says is so, and of what it does not say it says why. */
function compare(snapshot: Row, truth: Row, unavailable: Readonly<Record<string, string>>): void {
  if (truth === null) {
    expect(snapshot).toBeNull();
    return;
  }
  const told = snapshot ?? {};
  for (const [column, value] of Object.entries(truth)) {
    if (Object.hasOwn(unavailable, column) || Object.hasOwn(unavailable, '*')) {
      // Of a row known by its key alone, the key is told and true.
      if (Object.hasOwn(told, column) && !Object.hasOwn(unavailable, column))
        expect(told[column]).toEqual(value);
    } else {
      expect(told[column]).toEqual(value);
    }
  }
}

describe('17: large values under every replica identity', () => {
  it('are what an audit trigger saw, or are named as not sent', async () => {
    await using scenario = await openScenario({
      setup: null,
      config: { admin: false },
      webhooks: (url) => [{ name: 'all', models: TABLES, events: ['created', 'updated', 'deleted'], url }],
    });
    const { client } = scenario.database;
    await client.query(`
      create table audit (n serial primary key, model text, before jsonb, after jsonb);
      create function note() returns trigger language plpgsql as $$ begin
        insert into audit (model, before, after) values (tg_table_name,
          case when tg_op <> 'INSERT' then to_jsonb(old) end, case when tg_op <> 'DELETE' then to_jsonb(new) end);
        return null; end $$;`);
    for (const table of TABLES) {
      await client.query(`
        create table ${table} (id int primary key, code text not null, other int, big text, second text);
        create unique index ${table}_code on ${table} (code);
        create trigger note after insert or update or delete on ${table} for each row execute function note();
        alter table ${table} alter second set storage external; ${IDENTITIES[table]}`);
    }
    await scenario.setup();
    const daemon = scenario.daemon();
    await untilCapturing(daemon);
    let id = 0;
    for (const table of TABLES) {
      for (const before of NAMES) {
        for (const after of NAMES) {
          id += 1;
          await client.query(
            `insert into ${table} values (${id}, 'c${id}', 0, ${VALUES[before]}, ${VALUES[before]})`,
          );
          await client.query(`update ${table} set other = 1 where id = ${id}`);
          await client.query(`update ${table} set big = ${VALUES[after]}, second = big where id = ${id}`);
          await client.query(`update ${table} set id = ${id + 1_000}, code = 'd${id}' where id = ${id}`);
          await client.query(`delete from ${table} where id = ${id + 1_000}`);
        }
      }
    }
    const { rows } = await client.query<{ model: string; before: Row; after: Row }>(
      'select model, before, after from audit order by n',
    );
    expect(rows).toHaveLength(TABLES.length * NAMES.length ** 2 * 5);
    await until(() => scenario.sink.received.length === rows.length, {
      timeoutMs: 40_000,
      what: daemon.output().slice(-2_000),
    });
    const events = scenario.sink.received
      .map(({ headers, body }) => [String(headers['webhook-id']), JSON.parse(body) as Seen] as const)
      .toSorted(([a], [b]) => (a < b ? -1 : 1))
      .map(([, event]) => event);
    let notSent = 0;
    for (const [i, { model, before, after }] of rows.entries()) {
      const event = events[i];
      if (event === undefined) throw new Error(`no Event ${i}`);
      expect(event.model).toBe(model);
      const { prechange = {}, postchange = {} } = event.unavailable ?? {};
      compare(event.snapshots.prechange, before, prechange);
      compare(event.snapshots.postchange, after, postchange);
      // With whole rows nothing is missing: what was not sent anew stands in the row before.
      if (model === 'by_full') expect(event).not.toHaveProperty('unavailable');
      notSent += Object.values(postchange).filter((reason) => reason === 'toast').length;
    }
    expect(notSent).toBeGreaterThan(0);
  });
});
