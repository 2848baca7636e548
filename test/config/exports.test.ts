import { describe, expect, it } from 'vitest';
import { loadConfig } from '../../src/config/load.ts';

const services = { postgres: { url: 'postgres://h/d' }, queue: { url: 'redis://h' } };
const load = (...webhooks: unknown[]) =>
  loadConfig(JSON.stringify({ ...services, webhooks }, null, 1), {
    source: {
      env: {},
      readFile: () => {
        throw new Error('ENOENT');
      },
    },
  });

/** As `GET /api/extras/webhooks/1/` of Peering Manager answers, without what this version cannot do yet. */
const peeringManager = {
  id: 1,
  url: 'http://pm/api/extras/webhooks/1/',
  display_url: 'http://pm/extras/webhooks/1/',
  display: 'slack',
  content_types: ['peering.internetexchangepeeringsession', 'net.connection'],
  name: 'slack',
  type_create: true,
  type_update: false,
  type_delete: true,
  payload_url: 'http://localhost:9000/{{ model }}',
  enabled: true,
  http_method: 'POST',
  http_content_type: 'application/json',
  additional_headers: 'X-Request: {{ request_id }}',
  body_template: '',
  secret: '',
  created: '2023-08-07T19:30:23.140019Z',
  updated: null,
};

describe('an exported webhook', () => {
  it('of Peering Manager stands in the file as it is', () => {
    const { loaded, mistakes } = load(peeringManager);
    expect(mistakes).toEqual([]);
    expect(loaded?.config.webhooks).toMatchObject([
      {
        name: 'slack',
        models: ['internetexchangepeeringsession', 'connection'],
        events: ['created', 'deleted'],
        url: 'http://localhost:9000/{{ model }}',
        secret: null,
        additional_headers: 'X-Request: {{ request_id }}',
      },
    ]);
  });

  it('has its meaningless keys ignored with a note at their lines', () => {
    const { url: _link, ...others } = peeringManager;
    const { loaded } = load(others);
    expect(loaded?.notes.map(({ path }) => path)).toEqual(
      ['id', 'display_url', 'display', 'created', 'updated'].map((key) => `webhooks[0].${key}`),
    );
    const lines = loaded?.notes.map(({ line }) => line) ?? [];
    expect(new Set(lines).size).toBe(5);
    expect(lines.every((line) => line !== null && line > 9)).toBe(true);
  });

  it('has its self link ignored with a note that names it, not payload_url', () => {
    const paths = load(peeringManager).loaded?.notes.map(({ path }) => path);
    expect(paths).toContain('webhooks[0].url');
    expect(paths).not.toContain('webhooks[0].payload_url');
  });

  // Every export carries these; at the values that change nothing they are no reason to refuse it.
  it('carries conditions, TLS verification and a CA file at their defaults', () => {
    const { mistakes } = load({
      ...peeringManager,
      conditions: null,
      ssl_verification: true,
      ca_file_path: null,
    });
    expect(mistakes).toEqual([]);
  });

  it('of an older NetBox, with its models and events in it, stands in the file as it is', () => {
    const { loaded, mistakes } = load({
      id: 3,
      url: 'https://netbox/api/extras/webhooks/3/',
      display: 'nb',
      content_types: ['dcim.site'],
      name: 'nb',
      type_create: false,
      type_update: true,
      type_delete: false,
      payload_url: 'https://example.com/hook',
      enabled: false,
      http_method: 'PUT',
      http_content_type: 'application/json',
      additional_headers: '',
      body_template: '{"x": 1}',
      secret: 's',
      custom_fields: {},
      tags: [],
      created: 'x',
      last_updated: 'x',
    });
    expect(mistakes).toEqual([]);
    expect(loaded?.config.webhooks).toMatchObject([
      {
        models: ['site'],
        events: ['updated'],
        url: 'https://example.com/hook',
        enabled: false,
        http_method: 'PUT',
      },
    ]);
  });

  it('of an event rule takes its object and event types', () => {
    const { loaded, mistakes } = load({
      name: 'rule',
      object_types: ['dcim.site', 'ipam.ipaddress'],
      event_types: ['object_created', 'object_updated', 'object_deleted'],
      payload_url: 'https://example.com/',
      description: '',
      owner: null,
      comments: '',
    });
    expect(mistakes).toEqual([]);
    expect(loaded?.config.webhooks).toMatchObject([
      { models: ['site', 'ipaddress'], events: ['created', 'updated', 'deleted'] },
    ]);
  });

  it('has its mistakes told at the keys that are written', () => {
    const { mistakes } = load({
      ...peeringManager,
      content_types: 'peering.x',
      type_create: false,
      type_delete: false,
      payload_url: '',
    });
    expect(mistakes.map(({ path, message }) => `${path}: ${message}`)).toEqual([
      'webhooks[0].content_types: expected a list, found "peering.x"',
      'webhooks[0].type_create: expected something, found nothing',
      'webhooks[0].payload_url: expected something, found nothing',
    ]);
    expect(new Set(mistakes.map(({ line }) => line)).size).toBe(3);
  });

  it('names an event type that is none of a row', () => {
    const { mistakes } = load({
      name: 'jobs',
      object_types: ['core.job'],
      event_types: ['job_started'],
      payload_url: 'https://example.com/',
    });
    expect(mistakes).toMatchObject([{ path: 'webhooks[0].event_types[0]' }]);
  });

  it('keeps unknown keys unknown', () => {
    expect(load({ ...peeringManager, timeuot: 5 }).mistakes).toMatchObject([{ path: 'webhooks[0].timeuot' }]);
  });

  it('keeps keys that every object has unknown', () => {
    expect(load({ ...peeringManager, toString: 1 }).mistakes).toMatchObject([
      { path: 'webhooks[0].toString' },
    ]);
  });

  it('is told from a webhook of our own, whose url is its own', () => {
    const own = { name: 'own', models: ['m'], events: ['created'], url: 'http://h/' };
    expect(load(own, { ...own, name: 'id', id: 1 }).mistakes).toMatchObject([
      { path: 'webhooks[1].id', message: expect.stringContaining('unknown key') },
    ]);
    expect(load({ ...own, models: ['app.model'] }).loaded?.config.webhooks[0]?.models).toEqual(['app.model']);
  });
});
