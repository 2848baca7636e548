import { describe, expect, it } from 'vitest';
import type { ModelOptions } from '../../src/change/table.ts';
import { loadConfig } from '../../src/config/load.ts';
import { beforeImageFindings, missingBeforeImages } from '../../src/definitions/beforeImages.ts';
import { defineWebhooks, type WebhookDefinition } from '../../src/definitions/webhooks.ts';
import type { TableState } from '../../src/setup/state.ts';
import { tableState } from '../setup/states.ts';

const WEBHOOK = {
  name: 'w',
  models: ['thing'],
  events: ['created', 'updated', 'deleted'],
  url: 'http://h.test/',
};

function define(...webhooks: readonly Record<string, unknown>[]): WebhookDefinition[] {
  const config = {
    postgres: { url: 'postgres://h/d' },
    queue: { url: 'redis://h' },
    webhooks: webhooks.map((webhook) => ({ ...WEBHOOK, ...webhook })),
  };
  const source = { env: {}, readFile: () => '' };
  const { loaded, mistakes } = loadConfig(JSON.stringify(config), { source });
  if (loaded === null) throw new Error(JSON.stringify(mistakes));
  return defineWebhooks(loaded.config);
}

const table = (name: string, more: Partial<TableState> = {}) =>
  tableState(name, { isPublished: true, ...more });

function missing(
  webhook: Record<string, unknown>,
  tables: readonly TableState[] = [table('thing')],
  models: readonly ModelOptions[] = [],
) {
  return missingBeforeImages(define(webhook), models, tables);
}

const changed = { conditions: { attr: 'status', op: 'changed' } };

describe('the before images that a webhook needs', () => {
  it.each<[string, Record<string, unknown>, readonly string[], string, boolean]>([
    ['changed', { ...changed, events: ['updated'] }, ['status'], 'problem', true],
    ['changed, of created too', { ...changed, events: ['created', 'updated'] }, ['status'], 'problem', false],
    ['columns', { columns: ['status'], events: ['updated'] }, ['status'], 'problem', true],
    [
      'a path into prechange',
      { conditions: { attr: 'snapshots.prechange.status', value: 1 }, events: ['updated', 'deleted'] },
      ['snapshots.prechange.status'],
      'problem',
      true,
    ],
    ['data of a deleted row', { conditions: { attr: 'status', value: 1 } }, ['status'], 'problem', false],
    [
      'data of a deleted row alone',
      { conditions: { attr: 'a.b', value: 1 }, events: ['deleted'] },
      ['a.b'],
      'problem',
      true,
    ],
    [
      'what on_unavailable fires',
      { ...changed, on_unavailable: 'fire', events: ['updated'] },
      ['status'],
      'advice',
      false,
    ],
    [
      'what on_unavailable skips',
      { ...changed, on_unavailable: 'skip', events: ['updated'] },
      ['status'],
      'advice',
      false,
    ],
    [
      'templates',
      {
        url: 'http://h.test/{{ data.name }}',
        additional_headers: 'X: {{ snapshots.prechange.a }}',
        body_template: '{{ changes.b.old }}{{ data.id }}',
      },
      ['data.name', 'snapshots.prechange.a', 'changes.b.old'],
      'advice',
      false,
    ],
  ])('are found in %s', (_what, webhook, paths, level, blocks) => {
    expect(missing(webhook)).toMatchObject([{ paths, level, blocks, model: 'thing' }]);
  });

  it.each<[string, Record<string, unknown>]>([
    ['no conditions', {}],
    ['changed of created rows', { ...changed, events: ['created'] }],
    ['changed of deleted rows, which every column has', { ...changed, events: ['deleted'] }],
    [
      'data of rows that are there',
      { conditions: { attr: 'status', value: 1 }, events: ['created', 'updated'] },
    ],
    [
      'the key, which is always sent',
      { conditions: { attr: 'id', op: 'changed' }, columns: ['id'], body_template: '{{ data.id }}' },
    ],
    ['the row after', { conditions: { attr: 'snapshots.postchange.status', value: 1 } }],
    ['a webhook that is disabled', { ...changed, enabled: false }],
    ['a webhook of another model', { ...changed, models: ['other'] }],
  ])('are none with %s', (_what, webhook) => {
    expect(missing(webhook)).toEqual([]);
  });

  it('are sent by a table with REPLICA IDENTITY FULL, and asked of published tables alone', () => {
    expect(missing(changed, [table('thing', { identity: 'full' })])).toEqual([]);
    expect(missing(changed, [tableState('thing')])).toEqual([]);
  });

  it('are in part sent with the columns of an identity index', () => {
    const indexed = table('thing', { identity: 'index', identityColumns: ['status'] });
    expect(missing(changed, [indexed])).toEqual([]);
  });

  it('follow the names of models and of their fields', () => {
    const model: ModelOptions = {
      name: 'm',
      schema: 'app',
      table: 'thing',
      exclude: [],
      naming: 'fields',
      ignoreChanges: [],
    };
    const tables = [table('thing', { schema: 'app', identityColumns: ['owner_id'] }), table('other')];
    expect(missing({ ...changed, models: ['m'] }, tables, [model])).toMatchObject([{ model: 'm' }]);
    expect(missing({ conditions: { attr: 'owner', op: 'changed' }, models: ['m'] }, tables, [model])).toEqual(
      [],
    );
    expect(missing({ ...changed, models: ['*'] }, tables, [model]).map((one) => one.model)).toEqual([
      'm',
      'other',
    ]);
  });
});

describe('the finding BEFORE_IMAGE_MISSING', () => {
  it('names webhook, paths and tables, with the SQL to paste', () => {
    const found = missing({ ...changed, models: ['*'], events: ['updated'] }, [table('a'), table('B')]);
    expect(beforeImageFindings(found)).toEqual([
      {
        code: 'BEFORE_IMAGE_MISSING',
        level: 'problem',
        message:
          'webhook w reads status: expected a before image, found that public.a, public."B" send the key alone; it does not start there',
        remedy:
          'ALTER TABLE public.a REPLICA IDENTITY FULL; ALTER TABLE public."B" REPLICA IDENTITY FULL; -- then reload walhook run (SIGHUP); or set on_unavailable of the webhook to fire or skip',
      },
    ]);
  });

  it('is advice where the webhook says what to do without', () => {
    const found = missing({ ...changed, on_unavailable: 'fire' });
    expect(beforeImageFindings(found)).toMatchObject([
      {
        level: 'advice',
        message: expect.stringMatching(/on_unavailable is fire$/),
        remedy: 'ALTER TABLE public.thing REPLICA IDENTITY FULL;',
      },
    ]);
  });
});
