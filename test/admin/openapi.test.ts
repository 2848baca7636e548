/** The description of the API: OpenAPI 3.1, complete, and true to the routes. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { readiness } from '../../src/admin/probes.ts';
import { WalhookError } from '../../src/core/errors.ts';
import { type TestAdmin, testAdmin } from './testAdmin.ts';

let admin: TestAdmin;
let document: Record<string, unknown>;
beforeAll(async () => {
  admin = await testAdmin();
  document = (await (await admin.ask('/api/openapi.json', { as: 'viewer' })).json()) as Record<
    string,
    unknown
  >;
});
afterAll(() => admin[Symbol.asyncDispose]());

interface Operation {
  readonly tags?: readonly string[];
  readonly summary?: string;
  readonly parameters?: readonly { name: string; in: string; required?: boolean; schema?: unknown }[];
  readonly requestBody?: { content: Record<string, { schema?: unknown }> };
  readonly responses?: Record<string, { description?: string }>;
}
const METHODS = ['get', 'post', 'put', 'patch', 'delete'];
const operations = () =>
  Object.entries(document['paths'] as Record<string, Record<string, Operation>>).flatMap(([path, item]) =>
    Object.entries(item).map(([method, operation]) => ({ path, method, operation })),
  );
const TYPES = ['string', 'number', 'integer', 'boolean', 'object', 'array', 'null'];

function checkSchema(schema: unknown, where: string): void {
  if (typeof schema === 'boolean') return;
  expect(schema, where).toBeTypeOf('object');
  const { type, properties, items, required, ...rest } = schema as Record<string, unknown>;
  // OpenAPI 3.1 is JSON Schema: what 3.0 had instead is gone.
  expect(Object.keys(rest), where).not.toContain('nullable');
  for (const one of [type ?? []].flat()) expect(TYPES, where).toContain(one);
  for (const [name, value] of Object.entries(properties ?? {})) checkSchema(value, `${where}.${name}`);
  if (items !== undefined) checkSchema(items, `${where}[]`);
  for (const name of (required ?? []) as string[])
    expect(Object.keys(properties ?? {}), where).toContain(name);
}

describe('the OpenAPI document', () => {
  it('is one of 3.1 with what it must have', () => {
    expect(document).toMatchObject({
      openapi: '3.1.0',
      info: { title: 'walhook', version: expect.any(String) },
      components: { securitySchemes: { token: { type: 'http', scheme: 'bearer' } } },
      security: [{ token: [] }],
    });
  });

  it('has every route of the API, and no other', () => {
    const routes = admin.server.routes
      .filter(({ url }) => (url.startsWith('/api/') && url !== '/api/openapi.json') || url === '/-/reload')
      .map(({ method, url }) => `${method} ${url.replace(/:(\w+)/g, '{$1}')}`);
    const described = operations().map(({ path, method }) => `${method.toUpperCase()} ${path}`);
    expect(described.sort()).toEqual(routes.sort());
  });

  it('describes each operation: parameters of the path, schemas, answers', () => {
    for (const { path, method, operation } of operations()) {
      const where = `${method} ${path}`;
      expect(METHODS, where).toContain(method);
      expect(operation.summary, where).toMatch(/\S{3}/);
      expect(operation.tags, where).toHaveLength(1);
      const inPath = (operation.parameters ?? []).filter((one) => one.in === 'path');
      expect(
        inPath.map(({ name }) => `{${name}}`),
        where,
      ).toEqual([...path.matchAll(/\{\w+\}/g)].map(([all]) => all));
      for (const one of inPath) expect(one.required, where).toBe(true);
      for (const one of operation.parameters ?? []) checkSchema(one.schema, `${where} ${one.name}`);
      for (const { schema } of Object.values(operation.requestBody?.content ?? {}))
        checkSchema(schema, where);
      expect(Object.keys(operation.responses ?? {}).length, where).toBeGreaterThan(0);
      for (const [status, answer] of Object.entries(operation.responses ?? {})) {
        expect(status, where).toMatch(/^([1-5](\d\d|XX)|default)$/);
        expect(answer.description, where).toBeTypeOf('string');
      }
    }
  });

  it('refers to nothing that is not there', () => {
    const text = JSON.stringify(document);
    for (const [, reference] of text.matchAll(/"\$ref":"#\/([^"]+)"/g)) {
      let at: unknown = document;
      for (const part of (reference ?? '').split('/')) at = (at as Record<string, unknown>)[part];
      expect(at, reference).toBeDefined();
    }
  });
});

describe('readiness in detail', () => {
  const of = (latest: unknown, capture: string | null = null) =>
    readiness({
      roles: ['capture'],
      metrics: { captureState: capture, captureLagSeconds: 0 },
      sampler: { latest },
    } as never);
  const slot = (walStatus: string) => ({
    slot: { slot: { walStatus } },
    slotError: null,
    queue: new Map(),
    queueError: null,
  });
  const away = (code: 'QUEUE_UNREACHABLE' | 'POSTGRES_UNREACHABLE' | 'SLOT_LOST') =>
    new WalhookError(code, 'host db.internal');

  it.each([
    ['starting', of(null), { capture: null, database: null, queue: null, slot: null }],
    ['standing by', of(slot('reserved'), 'standby'), { capture: 'standby', slot: 'reserved' }],
    ['capturing', of(slot('extended'), 'capturing'), { capture: 'capturing', slot: 'extended' }],
    [
      'without a slot',
      of({ ...slot(''), slot: null, slotError: away('SLOT_LOST') }, 'disconnected'),
      { capture: 'disconnected', database: { reachable: false, code: 'SLOT_LOST' } },
    ],
    [
      'without a store',
      of({ ...slot('reserved'), queue: null, queueError: away('QUEUE_UNREACHABLE') }),
      { queue: { reachable: false, code: 'QUEUE_UNREACHABLE' } },
    ],
    [
      'without a database',
      of({ ...slot(''), slot: null, slotError: away('POSTGRES_UNREACHABLE') }),
      { database: { reachable: false, code: 'POSTGRES_UNREACHABLE' } },
    ],
  ])('is told by states and codes alone: %s', (_state, found, expected) => {
    expect(found).toMatchObject({ ready: true, ...expected });
    expect(JSON.stringify(found)).not.toContain('db.internal');
  });

  it('is asked for without a token', async () => {
    expect(await (await admin.ask('/readyz', { as: null })).text()).toBe('ready\n');
    const detail = await admin.ask('/readyz?verbose', { as: null });
    expect(detail.status).toBe(200);
    expect(await detail.json()).toMatchObject({ ready: true, roles: ['capture', 'deliver', 'admin'] });
  });
});
