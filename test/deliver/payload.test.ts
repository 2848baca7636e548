import { describe, expect, it } from 'vitest';
import { formatPayload, objectType, type PayloadSource } from '../../src/deliver/payload.ts';

const EVENT = {
  event: 'updated',
  timestamp: '2023-08-07T19:30:23.140019Z',
  model: 'session',
  username: 'admin',
  request_id: 'af7aebe6',
  data: {
    id: 85,
    status: { value: 'enabled', label: 'Enabled' },
    custom_field_data: { site: 'x' },
    as_list: [1, 2],
    tags: [
      { id: 2, name: 'Foo', slug: 'foo' },
      { id: 1, name: 'Bar', slug: 'bar' },
    ],
    policies: [{ id: 7, name: 'P' }],
    created: '2023-08-07T19:30:23.000000Z',
    updated: '2023-08-07T19:30:23.140019Z',
  },
  snapshots: {
    prechange: { id: 85, status: 'requested', updated: '2023-08-07T19:00:00.000000Z' },
    postchange: {
      id: 85,
      status: 'enabled',
      custom_field_data: { list: [1] },
      as_list: [1, 2],
      doc: [{ a: 1 }],
      created: '2023-08-07T19:30:23.000000Z',
      updated: '2023-08-07T19:30:23.140019Z',
      last_updated: '2023-08-07T19:30:23.140019Z',
    },
  },
};

function source(event: object = EVENT, more: Partial<PayloadSource> = {}): PayloadSource {
  return { json: JSON.stringify(event), model: 'session', schema: 'public', table: 'app_session', ...more };
}

describe('a payload in walhook’s own format', () => {
  it('is the Event as it is', () => {
    expect(formatPayload(source(), 'walhook')).toBe(JSON.stringify(EVENT));
  });
});

describe('a payload in Peering Manager’s format', () => {
  const body = JSON.parse(formatPayload(source(), 'peering-manager')) as typeof EVENT;

  it('has its keys in its order', () => {
    expect(Object.keys(body)).toEqual([
      'event',
      'timestamp',
      'model',
      'username',
      'request_id',
      'data',
      'snapshots',
    ]);
  });

  it.each([
    ['created', 'create'],
    ['updated', 'update'],
    ['deleted', 'delete'],
    ['truncated', 'truncate'],
  ])('calls %s %s', (event, name) => {
    const text = formatPayload(source({ ...EVENT, event }), 'peering-manager');
    expect(text.startsWith(`{"event":"${name}",`)).toBe(true);
  });

  it.each([
    ['2023-08-07T19:30:23.140019Z', '2023-08-07 19:30:23.140019+00:00'],
    ['2023-08-07T19:30:23.000000Z', '2023-08-07 19:30:23+00:00'],
  ])('writes the time %s as Python’s text', (timestamp, text) => {
    const found = JSON.parse(formatPayload(source({ ...EVENT, timestamp }), 'peering-manager'));
    expect(found).toMatchObject({ timestamp: text });
  });

  it('writes times of data without a fraction that is zero, on all levels', () => {
    expect(body.data).toMatchObject({
      created: '2023-08-07T19:30:23Z',
      updated: '2023-08-07T19:30:23.140019Z',
    });
  });

  it('makes snapshots from what an Event without frozen ones has', () => {
    expect(body.snapshots).toEqual({
      prechange: { status: 'requested' },
      postchange: {
        status: 'enabled',
        custom_field_data: { list: [1] },
        as_list: '["1", "2"]',
        doc: [{ a: 1 }],
        created: '2023-08-07T19:30:23Z',
        updated: '2023-08-07T19:30:23.140Z',
        last_updated: '2023-08-07T19:30:23.140Z',
        tags: ['Foo', 'Bar'],
        policies: [7],
      },
    });
  });

  it('takes frozen snapshots as they are, and only those of its own format', () => {
    const frozen = {
      format: 'peering-manager',
      snapshots: '{"prechange":null,"postchange":{"a":1.10}}',
    } as const;
    expect(formatPayload(source(EVENT, { frozen }), 'peering-manager')).toContain(
      '"snapshots":{"prechange":null,"postchange":{"a":1.10}}}',
    );
    expect(formatPayload(source(EVENT, { frozen }), 'netbox')).not.toContain('1.10');
  });

  it('keeps every digit and says what is unavailable in a last key', () => {
    const json =
      '{"event":"deleted","timestamp":"2023-08-07T19:30:23.140019Z","model":"m","username":null,"request_id":null,' +
      '"data":{"id":9223372036854775807,"n":{"x": 1.10, "s": "a,\\"}:b"}},"snapshots":{"prechange":{"n":1e400},"postchange":null},' +
      '"unavailable":{"data":{"b":"toast"}}}';
    expect(formatPayload({ ...source(), json }, 'peering-manager')).toBe(
      '{"event":"delete","timestamp":"2023-08-07 19:30:23.140019+00:00","model":"m","username":null,"request_id":null,' +
        '"data":{"id":9223372036854775807,"n":{"x": 1.10, "s": "a,\\"}:b"}},"snapshots":{"prechange":{"n":1e400},"postchange":null},' +
        '"unavailable":{"data":{"b":"toast"}}}',
    );
  });

  it('has null data and snapshots of a truncated table', () => {
    const event = {
      ...EVENT,
      event: 'truncated',
      data: null,
      snapshots: { prechange: null, postchange: null },
    };
    expect(JSON.parse(formatPayload(source(event), 'peering-manager'))).toMatchObject({
      event: 'truncate',
      data: null,
      snapshots: { prechange: null, postchange: null },
    });
  });
});

describe('a payload in NetBox’s format', () => {
  const body = JSON.parse(formatPayload(source(), 'netbox')) as Record<string, unknown>;

  it('has its keys in its order, and its names', () => {
    expect(Object.keys(body)).toEqual([
      'event',
      'timestamp',
      'object_type',
      'username',
      'request_id',
      'data',
      'request',
      'snapshots',
    ]);
    expect(body).toMatchObject({
      event: 'updated',
      timestamp: '2023-08-07T19:30:23.140019+00:00',
      object_type: 'app.session',
      request: { id: 'af7aebe6', method: null, path: null, user: 'admin' },
      data: { custom_fields: { site: 'x' } },
    });
  });

  it('leaves the time of the last change out of snapshots and sorts the tags', () => {
    expect(body['snapshots']).toMatchObject({
      postchange: { custom_fields: { list: [1] }, tags: ['Bar', 'Foo'], updated: expect.any(String) },
    });
    expect(JSON.stringify(body['snapshots'])).not.toContain('last_updated');
  });

  it('has no request where none is known', () => {
    const text = formatPayload(source({ ...EVENT, request_id: null }), 'netbox');
    expect(Object.keys(JSON.parse(text) as object)).not.toContain('request');
  });

  it.each([
    [{ model: 'site', schema: 'public', table: 'dcim_site' }, 'dcim.site'],
    [{ model: 'router', schema: 'public', table: 'my_app_router' }, 'my_app.router'],
    [{ model: 'dcim_site', schema: 'public', table: 'dcim_site' }, 'dcim.site'],
    [{ model: 'orders', schema: 'public', table: 'orders' }, 'public.orders'],
    [{ model: 'inventory.item', schema: 'inventory', table: 'item' }, 'inventory.item'],
    [{ model: 'session', schema: 'public', table: 'peers' }, 'public.session'],
  ])('calls %j %s', (place, name) => {
    expect(objectType(place)).toBe(name);
  });
});
