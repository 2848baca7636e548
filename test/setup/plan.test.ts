import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { ident, literal, qualified } from '../../src/setup/names.ts';
import {
  chooseTables,
  hasUsableIdentity,
  matchesPatterns,
  planSetup,
  type SetupWish,
} from '../../src/setup/plan.ts';
import { databaseState, NO_SLOT, PUBLICATION, tableState } from './states.ts';

const wish = (more: Partial<SetupWish> = {}): SetupWish => ({
  slot: 'walhook',
  publication: 'walhook',
  patterns: null,
  modelTables: [],
  only: ['publication', 'schema', 'slot'],
  schemaSql: 'create schema walhook;\n',
  role: 'walhook',
  pluginName: 'pgoutput',
  ...more,
});

/** A database of which setup has done nothing yet. */
const fresh = (...tables: ReturnType<typeof tableState>[]) =>
  databaseState({
    publication: null,
    hasHelpers: false,
    webhookRows: 'missing',
    hasSchema: false,
    installation: null,
    slot: NO_SLOT,
    tables,
  });

const sql = (plan: ReturnType<typeof planSetup>, name: string) =>
  plan.sections.find((section) => section.name === name)?.statements.join('\n') ?? null;

describe('patterns of tables', () => {
  it.each<[readonly string[], string, string, boolean]>([
    [['public.*'], 'public', 'orders', true],
    [['public.*'], 'sales', 'orders', false],
    [['orders'], 'public', 'orders', true],
    [['orders'], 'sales', 'orders', false],
    [['*'], 'public', 'orders', true],
    [['*.*'], 'sales', 'orders', true],
    [['sales.o*'], 'sales', 'orders', true],
    [['sales.o*'], 'sales', 'invoices', false],
    [['public.*', '!public.django_*'], 'public', 'django_session', false],
    [['public.*', '!django_session'], 'public', 'django_session', false],
    [['public.*', '!public.django_session', 'public.django_session'], 'public', 'django_session', true],
    [['!public.orders', 'public.*'], 'public', 'orders', true],
    [['public.a.b'], 'public', 'a.b', true],
    [['public.a+b'], 'public', 'aab', false],
    [['public.(x)'], 'public', '(x)', true],
    [['public.o?ders'], 'public', 'orders', false],
    [['Public.Orders'], 'public', 'orders', false],
    [['public.🐘'], 'public', '🐘', true],
    [['public.a\nb'], 'public', 'a\nb', true],
    [[], 'public', 'orders', false],
  ])('%j of %s.%s: %s', (patterns, schema, name, expected) => {
    expect(matchesPatterns({ schema, name }, patterns)).toBe(expected);
  });

  it('that only leave tables out leave the others in', () => {
    expect(matchesPatterns({ schema: 'public', name: 'orders' }, ['!public.django_session'])).toBe(true);
  });

  it('name any table by itself', () => {
    const name = fc.string({ minLength: 1, unit: 'binary' }).filter((one) => !one.includes('*'));
    fc.assert(
      fc.property(name, name, (schema, table) => {
        if (schema.startsWith('!')) return;
        expect(matchesPatterns({ schema, name: table }, [`${schema}.${table}`])).toBe(true);
      }),
    );
  });
});

describe('the tables that are asked for', () => {
  const tables = [tableState('a'), tableState('b', { schema: 'sales' }), tableState('c')];
  const names = (list: readonly { readonly name: string }[]) => list.map(({ name }) => name);

  it('are all without patterns and models', () => {
    expect(names(chooseTables(tables, { patterns: null, modelTables: [] }))).toEqual(['a', 'b', 'c']);
  });

  it('are those of the models, and one that is missing is named', () => {
    const notes: string[] = [];
    const modelTables = [
      { schema: 'sales', table: 'b' },
      { schema: 'public', table: 'gone' },
    ];
    expect(names(chooseTables(tables, { patterns: null, modelTables }, notes))).toEqual(['b']);
    expect(notes).toEqual([expect.stringContaining('public.gone')]);
  });

  it('are those of the patterns, whatever the models', () => {
    expect(
      names(chooseTables(tables, { patterns: ['public.*'], modelTables: [{ schema: 'sales', table: 'b' }] })),
    ).toEqual(['a', 'c']);
  });

  it('and a pattern that fits none is named', () => {
    const notes: string[] = [];
    chooseTables(tables, { patterns: ['public.a', 'public.ordrs'], modelTables: [] }, notes);
    expect(notes).toEqual([expect.stringContaining('public.ordrs')]);
  });
});

describe('a table that may be published', () => {
  it.each([
    ['default', true, true],
    ['default', false, false],
    ['nothing', true, false],
    ['nothing', false, false],
    ['full', false, true],
    ['index', false, true],
  ] as const)('identity %s, primary key %s: %s', (identity, hasPrimaryKey, expected) => {
    expect(hasUsableIdentity(tableState('t', { identity, hasPrimaryKey }))).toBe(expected);
  });
});

describe('what setup does to a fresh database', () => {
  it('is a publication of the tables by name, the schema and the slot, each with the role it needs', () => {
    const plan = planSetup(
      fresh(tableState('orders'), tableState('Odd "name"', { schema: 'sales' })),
      wish(),
    );
    expect(plan.sections.map(({ name, needs }) => [name, needs])).toEqual([
      ['publication', 'the owner of the tables, with CREATE on the database'],
      ['schema', 'a role with CREATE on the database'],
      ['slot', 'a role with REPLICATION'],
    ]);
    expect(sql(plan, 'publication')).toBe(
      'create publication walhook for table\n  only public.orders,\n  only sales."Odd ""name"""\n  with (publish_via_partition_root = true);\n' +
        "comment on publication walhook is 'Made by walhook setup.';",
    );
    expect(sql(plan, 'schema')).toContain('create schema walhook;');
    expect(sql(plan, 'schema')).toContain('grant usage on schema walhook to walhook;');
    expect(sql(plan, 'slot')).toBe(
      "select pg_create_logical_replication_slot('walhook', 'pgoutput', failover => true);",
    );
    expect(plan).toMatchObject({ refused: [], notes: [] });
  });

  it('is a publication without tables where there are none', () => {
    expect(sql(planSetup(fresh(), wish()), 'publication')).toContain(
      'create publication walhook with (publish_via',
    );
  });

  it('leaves keyless tables out with a note, unless they are named', () => {
    const keyless = tableState('log', { hasPrimaryKey: false });
    const some = planSetup(fresh(tableState('orders'), keyless), wish());
    expect(sql(some, 'publication')).not.toContain('log');
    expect(some).toMatchObject({ refused: [], notes: ['public.log is left out: it has no primary key'] });
    for (const named of [
      { patterns: ['public.log'] },
      { patterns: ['log'] },
      { modelTables: [{ schema: 'public', table: 'log' }] },
    ]) {
      const plan = planSetup(fresh(tableState('orders'), keyless), wish(named));
      expect(plan.refused).toEqual([
        expect.stringMatching(/^public\.log has no primary key: .* would fail$/),
      ]);
    }
    expect(planSetup(fresh(keyless), wish({ patterns: ['public.*'] })).refused).toEqual([]);
  });

  it('publishes a keyless table that sends all of its rows', () => {
    const plan = planSetup(
      fresh(tableState('log', { hasPrimaryKey: false, identity: 'full' })),
      wish({ patterns: ['log'] }),
    );
    expect(sql(plan, 'publication')).toContain('public.log');
    expect(plan.refused).toEqual([]);
  });

  it.each([
    [['publication'], ['publication']],
    [['slot'], ['slot']],
    [
      ['schema', 'slot'],
      ['schema', 'slot'],
    ],
  ] as const)('is no more than the sections %j', (only, names) => {
    expect(planSetup(fresh(tableState('t')), wish({ only })).sections.map(({ name }) => name)).toEqual(names);
  });

  it('quotes the role it grants to', () => {
    expect(sql(planSetup(fresh(), wish({ role: 'Odd "role"' })), 'schema')).toContain('to "Odd ""role""";');
  });
});

describe('what setup does to a database that was set up', () => {
  it('is nothing', () => {
    const plan = planSetup(databaseState(), wish());
    expect(plan.sections.map(({ statements }) => statements)).toEqual([[], [], []]);
    expect(plan).toMatchObject({ refused: [], notes: [] });
  });

  it('adds the tables that are missing', () => {
    const state = databaseState({
      tables: [tableState('a', { isPublished: true }), tableState('b'), tableState('c')],
    });
    expect(sql(planSetup(state, wish()), 'publication')).toBe(
      'alter publication walhook add table\n  only public.b,\n  only public.c;',
    );
  });

  it('takes none away, and says what is published beside', () => {
    const state = databaseState({
      tables: [tableState('a', { isPublished: true }), tableState('b', { isPublished: true })],
    });
    const plan = planSetup(state, wish({ patterns: ['public.a'] }));
    expect(sql(plan, 'publication')).toBe('');
    expect(plan.notes).toEqual(['public.b is published too and stays so']);
  });

  it('publishes partitions under their root', () => {
    const state = databaseState({
      publication: { ...PUBLICATION, viaRoot: false },
      tables: [tableState('p', { kind: 'p', isPublished: true })],
    });
    expect(sql(planSetup(state, wish()), 'publication')).toContain('set (publish_via_partition_root = true)');
  });

  it('leaves a publication of all tables alone, and says what it arms', () => {
    const state = databaseState({
      publication: { ...PUBLICATION, isAllTables: true },
      tables: [tableState('a')],
    });
    const plan = planSetup(state, wish());
    expect(sql(plan, 'publication')).toBe('');
    expect(plan.notes).toEqual([expect.stringContaining('FOR ALL TABLES')]);
  });

  it('makes no second slot', () => {
    expect(sql(planSetup(databaseState({ slot: { ...NO_SLOT, walStatus: 'lost' } }), wish()), 'slot')).toBe(
      '',
    );
  });
});

describe('quoting', () => {
  it.each([
    ['orders', 'orders'],
    ['Orders', '"Orders"'],
    ['or ders', '"or ders"'],
    ['a"b', '"a""b"'],
    ['1a', '"1a"'],
    ['', '""'],
    ['ä', '"ä"'],
  ])('of the identifier %j: %s', (name, quoted) => {
    expect(ident(name)).toBe(quoted);
  });

  // Unquoted they are keywords: `public.order` works after a dot, `to user` and `drop publication table` do not.
  it.each(['user', 'table', 'select', 'all'])('of the keyword %s', (name) => {
    expect(ident(name)).toBe(`"${name}"`);
  });

  it('of a literal doubles quotes', () => {
    expect(literal("it's")).toBe("'it''s'");
  });

  it('of a table quotes each part', () => {
    expect(qualified({ schema: 'Sales', name: 'a.b' })).toBe('"Sales"."a.b"');
  });
});
