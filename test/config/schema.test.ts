import { describe, expect, it } from 'vitest';
import { z } from 'zod';
import { loadConfig } from '../../src/config/load.ts';
import { configJsonSchema, keysAt } from '../../src/config/schema.ts';

const schema = z.fromJSONSchema(configJsonSchema() as Parameters<typeof z.fromJSONSchema>[0]);
const base = { postgres: { url: 'postgres://h/d' }, queue: { url: 'redis://h' } };
const webhook = { name: 'w', models: ['m'], events: ['created'], url: 'http://h/' };
const one = (more: object) => ({ ...base, webhooks: [{ ...webhook, ...more }] });

const parses = (config: unknown): boolean => {
  const source = {
    env: { EIGHT: '8', YES: 'true', METHOD: 'PUT', TIMEOUT: '5s' },
    readFile: () => {
      throw new Error('ENOENT');
    },
  };
  return loadConfig(JSON.stringify(config), { source }).loaded !== null;
};

describe('the JSON Schema', () => {
  it.each<[string, unknown, boolean]>([
    ['the least', base, true],
    ['a webhook', one({}), true],
    [
      'every kind of value',
      one({
        enabled: false,
        timeout: '1.5m',
        concurrency: 1_000,
        secret: ['a', 'b'],
        retry: { schedule: [] },
      }),
      true,
    ],
    [
      'null where null is a default',
      { ...base, postgres: { url: 'postgres://h/d', tables: null, tls: { mode: null } } },
      true,
    ],
    ['sizes', { ...base, limits: { value: '64KiB', event: '1MiB', message: '128MiB' } }, true],
    [
      'context',
      { ...base, context: [{ message: 'walhook' }, { columns: { username: 'u' }, trust: 'always' }] },
      true,
    ],
    ['models', { ...base, models: [{ name: 'm', table: 't', exclude: ['password'] }] }, true],
    ['defaults', { ...base, defaults: { timeout: '1s' } }, true],
    ['an unknown key', one({ tiemout: '5s' }), false],
    ['an unknown key at the top', { ...base, webhook: [] }, false],
    ['a number as a duration', one({ timeout: 5 }), false],
    ['a duration without a unit', one({ timeout: '5' }), false],
    ['a word of no list', one({ http_method: 'HEAD' }), false],
    ['no models', one({ models: [] }), false],
    ['no name', { ...base, webhooks: [{ ...webhook, name: '' }] }, false],
    ['no queue', { postgres: base.postgres }, false],
    ['too much concurrency', one({ concurrency: 1_001 }), false],
    ['a fraction', one({ concurrency: 1.5 }), false],
    ['a wrong slot', { ...base, postgres: { url: 'postgres://h/d', slot: 'A' } }, false],
    ['an unknown default', { ...base, defaults: { name: 'x' } }, false],
    ['an unknown key of an export', one({ payload_url: 'http://h/', timuot: 5 }), false],
  ])('judges %s as the parser does', (_what, config, isValid) => {
    expect(parses(config)).toBe(isValid);
    expect(schema.safeParse(config).success).toBe(isValid);
  });

  // An editor would underline what run accepts.
  it.each([
    ['a variable for a word of a list', one({ http_method: '${METHOD}' })],
    ['a variable for a duration', one({ timeout: '${TIMEOUT}' })],
    ['a variable for a number', one({ concurrency: '${EIGHT}' })],
    ['a variable for a boolean', one({ enabled: '${YES}' })],
    [
      'a webhook as it was exported',
      {
        ...base,
        webhooks: [{ id: 1, name: 'w', content_types: ['a.b'], type_create: true, payload_url: 'http://h/' }],
      },
    ],
  ])('accepts %s, as the parser does', (_what, config) => {
    expect(parses(config)).toBe(true);
    expect(schema.safeParse(config).success).toBe(true);
  });

  it('describes itself and every section', () => {
    const { title, properties } = configJsonSchema() as { title: string; properties: Record<string, object> };
    expect(title).toBe('walhook configuration');
    expect(Object.keys(properties)).toEqual(
      expect.arrayContaining([
        'environment',
        'postgres',
        'queue',
        'context',
        'models',
        'webhooks',
        'defaults',
        'limits',
        'log',
      ]),
    );
    expect(JSON.stringify(properties)).not.toMatch(/hunter2/);
  });

  it.each([
    [[], ['environment', 'postgres', 'queue']],
    [
      ['postgres', 'tls'],
      ['mode', 'ca', 'cert', 'key'],
    ],
    [
      ['webhooks', 0, 'retry'],
      ['schedule', 'max_age'],
    ],
    [
      ['context', 3],
      ['message', 'columns', 'trust'],
    ],
    [
      ['webhooks', 1],
      ['name', 'models', 'events', 'url'],
    ],
    [['nowhere', 0], []],
  ])('knows the keys at %j', (path, keys) => {
    expect(keysAt(path)).toEqual(expect.arrayContaining(keys));
    if (keys.length === 0) expect(keysAt(path)).toEqual([]);
  });
});
