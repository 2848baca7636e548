import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { loadConfig } from '../../../src/config/load.ts';
import { MODELS } from '../../../src/config/presets/peeringManager/models.ts';
import { companionTables } from '../../../src/config/watchedTables.ts';
import { defineReading } from '../../../src/definitions/reading.ts';
import { fitPreset } from '../../../src/setup/presetFit.ts';

function load(more: object) {
  const config = { preset: 'peering-manager', ...more };
  const source = { env: {}, readFile: () => '' };
  return loadConfig(JSON.stringify(config, null, 1), { source, needsServices: false });
}

function loaded(more: object = {}) {
  const result = load(more);
  expect(result.mistakes).toEqual([]);
  if (result.loaded === null) throw new Error('expected a valid configuration');
  return result.loaded.config;
}

const model = (more: object, name: string) => loaded(more).models.find((one) => one.name === name);

/** The models that Peering Manager has webhooks for. */
const WITH_WEBHOOKS = [
  'bgp_community',
  'bgp_relationship',
  'core_datasource',
  'devices_configuration',
  'devices_platform',
  'devices_router',
  'messaging_contact',
  'messaging_contactrole',
  'messaging_email',
  'net_bfd',
  'net_connection',
  'peering_autonomoussystem',
  'peering_bgpgroup',
  'peering_directpeeringsession',
  'peering_internetexchange',
  'peering_internetexchangepeeringsession',
  'peering_routingpolicy',
];

describe('preset: peering-manager', () => {
  it('has the models that have webhooks there, and those that stand in their data', () => {
    const tables = loaded().models.map(({ table }) => table.table);
    expect(tables.toSorted()).toEqual([...WITH_WEBHOOKS, 'extras_ixapi', 'extras_tag'].toSorted());
  });

  it('compiles: every text of every model is a template', () => {
    expect(() => defineReading(loaded())).not.toThrow();
  });

  it('reads the change log for context, after messages', () => {
    expect(loaded().context).toMatchObject([
      { message: 'walhook' },
      { table: { schema: 'public', table: 'core_objectchange' }, username: 'user_name' },
      { columns: { username: 'changed_by' } },
    ]);
  });

  it('lets an entry of the same table extend the model, and rename it', () => {
    const entry = {
      name: 'peer',
      table: 'peering_autonomoussystem',
      exclude: ['prefixes'],
      choices: { affiliated: { true: 'Yes' } },
    };
    const peer = model({ models: [entry] }, 'peer');
    expect(peer).toMatchObject({ exclude: ['prefixes'], display: 'AS{{ asn }} - {{ name }}' });
    expect(peer?.include['tags']).toBeDefined();
    expect(loaded({ models: [entry] }).models).toHaveLength(WITH_WEBHOOKS.length + 2);
  });

  it('lets an entry with a name alone extend the model of that name', () => {
    const session = model(
      { models: [{ name: 'internetexchangepeeringsession', exclude: ['password'] }] },
      'internetexchangepeeringsession',
    );
    expect(session).toMatchObject({
      exclude: ['password'],
      table: { schema: 'public', table: 'peering_internetexchangepeeringsession' },
    });
    expect(session?.choices['status']).toMatchObject({ requested: 'Requested' });
  });

  it('merges choices, include and texts by key and replaces everything else', () => {
    const router = model(
      {
        models: [
          {
            name: 'router',
            choices: { name: { r1: 'One' } },
            texts: { x: 'y' },
            ignore_changes: ['comments'],
          },
        ],
      },
      'router',
    );
    expect(Object.keys(router?.choices ?? {}).toSorted()).toEqual(['name', 'status']);
    expect(router?.texts).toEqual({ display_url: '/devices/routers/{{ id }}/', x: 'y' });
    expect(router?.ignore_changes).toEqual(['comments']);
  });

  it('gives a name to another table whole where the file says so', () => {
    const email = model({ models: [{ name: 'email', table: 'crm.email' }] }, 'email');
    expect(email).toMatchObject({ table: { schema: 'crm' }, display: null, include: {} });
  });

  it('asks the file’s context first and keeps the change log', () => {
    const { context } = loaded({ context: [{ message: 'walhook', allow_mute: true }] });
    expect(context).toMatchObject([
      { message: 'walhook', allow_mute: true },
      { table: { table: 'core_objectchange' } },
      { columns: { username: 'changed_by' } },
    ]);
  });

  it('shows a mistake in an entry at its line', () => {
    const { mistakes } = load({ models: [{ name: 'router', naming: 'wrong' }] });
    expect(mistakes).toMatchObject([{ path: 'models[0].naming', line: 6 }]);
  });
});

describe('docs/peering-manager.md', () => {
  const page = readFileSync(new URL('../../../docs/peering-manager.md', import.meta.url), 'utf8');

  it('shows a configuration that is valid', () => {
    const text = /```yaml\n(# walhook\.yaml[\s\S]*?)```/.exec(page)?.[1] ?? '';
    const source = { env: { DATABASE_URL: 'postgres://localhost/pm' }, readFile: () => '' };
    const { mistakes, loaded } = loadConfig(text, { source });
    expect(mistakes).toEqual([]);
    expect(loaded?.config.webhooks[0]?.payload_format).toBe('peering-manager');
  });

  it('names every key of a serializer that no row holds', () => {
    const absent = new Set(MODELS.flatMap((one) => one.absent ?? []));
    const told = [...page.matchAll(/^\| `(\w+)` \|/gm)].map(([, key]) => key);
    expect(told.toSorted()).toEqual([...absent].toSorted());
  });
});

describe('the preset on a database', () => {
  const config = loaded();
  const all = [...config.models.map(({ table }) => table), ...companionTables(config)];
  const columnsOf = (table: string) =>
    new Set(config.models.find((one) => one.table.table === table)?.snapshot_order ?? []);
  const found = (isFull: boolean, without: readonly string[] = []) => ({
    tables: new Map(
      all
        .filter(({ table }) => !without.includes(table))
        .map(({ schema, table }) => [`${schema}.${table}`, { columns: columnsOf(table), isFull }] as const),
    ),
  });

  it('stays whole where everything is there', () => {
    expect(fitPreset(config, found(true))).toEqual({ config, notes: [], keyOnly: [] });
  });

  it('needs join tables, tags and the change log published too', () => {
    const names = companionTables(config).map(({ table }) => table);
    expect(names).toContain('extras_taggeditem');
    expect(names).toContain('core_objectchange');
    expect(names).toContain('peering_autonomoussystem_import_routing_policies');
    expect(names).not.toContain('extras_tag');
  });

  it('leaves out what is not there and says so', () => {
    const fit = fitPreset(
      config,
      found(true, ['net_bfd', 'peering_autonomoussystem_communities', 'core_objectchange']),
    );
    expect(fit.notes).toEqual([
      'there is no table public.peering_autonomoussystem_communities: communities of the model autonomoussystem is left out',
      'there is no table public.net_bfd: the model bfd is left out',
      'there is no table public.core_objectchange: who made a Change is not known from it',
    ]);
    expect(fit.config.models.some(({ name }) => name === 'bfd')).toBe(false);
    expect(fit.config.context).toHaveLength(2);
    const asys = fit.config.models.find(({ name }) => name === 'autonomoussystem');
    expect(Object.keys(asys?.include ?? {})).toEqual([
      'import_routing_policies',
      'export_routing_policies',
      'tags',
    ]);
  });

  it('names columns that are not there', () => {
    const tables = new Map(found(true).tables);
    tables.set('public.extras_tag', {
      columns: new Set(['id', 'name', 'slug', 'created', 'updated']),
      isFull: true,
    });
    expect(fitPreset(config, { tables }).notes).toEqual([
      'public.extras_tag has no column color, description',
    ]);
  });

  it('knows which tables send only keys, join tables among them', () => {
    const names = fitPreset(config, found(false)).keyOnly.map(({ table }) => table);
    expect(names).toContain('peering_autonomoussystem');
    expect(names).toContain('extras_taggeditem');
    expect(names).not.toContain('core_objectchange');
  });

  it('leaves the file’s own models as they are written', () => {
    const own = loaded({ models: [{ name: 'order', table: 'shop.orders' }] });
    const fit = fitPreset(own, found(true));
    expect(fit.config.models[0]?.name).toBe('order');
    expect(fit.notes).toEqual([]);
  });
});
