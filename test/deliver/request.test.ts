import { createHmac } from 'node:crypto';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type JsonObject, parseJson } from '../../src/core/json.ts';
import { Secret } from '../../src/core/secret.ts';
import { changesOf, prepareRequest, type RequestShape, templateScope } from '../../src/deliver/request.ts';
import { staticOrigin } from '../../src/deliver/url.ts';
import { deliveryId, type QueuedDelivery } from '../../src/queue/delivery.ts';
import { compileTemplate } from '../../src/template/engine.ts';

const MOMENT = { nowMs: 1_691_436_623_999, userAgent: 'walhook/0.1.0' };

const EVENT =
  '{"event":"updated","timestamp":"2023-08-07T19:30:23.140019Z","model":"thing","username":"admin","request_id":"r-1",' +
  '"data":{"id":9223372036854775807,"price":1.10,"name":"é🐘"},' +
  '"snapshots":{"prechange":{"id":9223372036854775807,"name":"old","list":[1,{"a":1}]},"postchange":{"id":9223372036854775807,"name":"é🐘","list":[1,{"a":1}],"added":null}}}';

function delivery(json = EVENT, more: Partial<QueuedDelivery> = {}): QueuedDelivery {
  return {
    eventId: '0badcafe-00000000016b3748-00000000-aaaaaaaa',
    model: 'thing',
    schema: 'public',
    table: 'thing_table',
    key: '1',
    requestId: 'r-1',
    lsn: '0/16B3748',
    xid: 4_000_000_000,
    committedAtMs: 1,
    json,
    ...more,
  };
}

interface Webhook {
  readonly url?: string;
  readonly headers?: string;
  readonly body?: string;
}

function shape(
  { url = 'https://example.com/hook', headers, body }: Webhook = {},
  more: Partial<RequestShape> = {},
): RequestShape {
  const compile = (source: string, path: string) =>
    compileTemplate(source, { path, undefined: 'lenient', headerSafe: path === 'additional_headers' });
  return {
    key: 'slack',
    name: 'Slack!',
    method: 'POST',
    contentType: 'application/json',
    format: 'walhook',
    url: compile(url, 'url'),
    origin: staticOrigin(url),
    headers: headers === undefined ? null : compile(headers, 'additional_headers'),
    body: body === undefined ? null : compile(body, 'body_template'),
    secrets: [],
    signature: 'both',
    ...more,
  };
}

const prepared = (webhook: Webhook = {}, more: Partial<RequestShape> = {}, json = EVENT) =>
  prepareRequest(shape(webhook, more), delivery(json), MOMENT);
const header = (request: ReturnType<typeof prepared>, name: string) =>
  request.headers.filter(([one]) => one.toLowerCase() === name.toLowerCase()).map(([, value]) => value);

describe('a request', () => {
  it('carries by default the Event byte for byte', () => {
    const request = prepared();
    expect(request.body.equals(Buffer.from(EVENT, 'utf8'))).toBe(true);
    expect(request).toMatchObject({ method: 'POST', origin: 'https://example.com', path: '/hook' });
  });

  it('carries the Event byte for byte, whatever is in it, as text that cannot even be parsed', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), (json) => {
        expect(prepared({}, {}, json).body.equals(Buffer.from(json, 'utf8'))).toBe(true);
      }),
    );
  });

  it('has the documented headers in their order', () => {
    const request = prepared({ headers: 'X-One: 1\nX-Two: {{ model }}' }, { secrets: [new Secret('s')] });
    expect(request.headers.map(([name]) => name)).toEqual([
      'Content-Type',
      'User-Agent',
      'X-One',
      'X-Two',
      'webhook-id',
      'webhook-timestamp',
      'X-Hook-Signature',
      'webhook-signature',
    ]);
    expect(header(request, 'content-type')).toEqual(['application/json']);
    expect(header(request, 'user-agent')).toEqual(['walhook/0.1.0']);
    expect(header(request, 'webhook-id')).toEqual([
      deliveryId('0badcafe-00000000016b3748-00000000-aaaaaaaa', 'slack'),
    ]);
    expect(header(request, 'webhook-id')[0]).toMatch(
      /^0badcafe-00000000016b3748-00000000-aaaaaaaa-[0-9a-f]{8}$/,
    );
    expect(header(request, 'webhook-timestamp')).toEqual(['1691436623']);
    expect(header(request, 'x-two')).toEqual(['thing']);
  });

  it('keeps its id in every Attempt, and its timestamp is of the Attempt', () => {
    const later = prepareRequest(shape(), delivery(), { ...MOMENT, nowMs: MOMENT.nowMs + 60_000 });
    expect(header(later, 'webhook-id')).toEqual(header(prepared(), 'webhook-id'));
    expect(header(later, 'webhook-timestamp')).toEqual(['1691436683']);
  });

  it('is signed over the exact bytes that are sent, after rendering', () => {
    const secrets = [new Secret('new'), new Secret('old')];
    for (const webhook of [{}, { body: '{"text": "{{ data.name }}"}' }, { body: '' }]) {
      const request = prepared(webhook, { secrets });
      const id = header(request, 'webhook-id')[0];
      const sign = (key: string) =>
        `v1,${createHmac('sha256', key).update(`${id}.1691436623.`).update(request.body).digest('base64')}`;
      expect(header(request, 'x-hook-signature')).toEqual([
        createHmac('sha512', 'new').update(request.body).digest('hex'),
      ]);
      expect(header(request, 'webhook-signature')).toEqual([`${sign('new')} ${sign('old')}`]);
    }
  });

  it.each(['GET', 'PUT', 'PATCH', 'DELETE'] as const)('carries its body with %s too', (method) => {
    expect(prepared({}, { method })).toMatchObject({ method, body: Buffer.from(EVENT) });
  });

  it('lets additional headers replace what walhook says of itself and of the body, in any case', () => {
    const request = prepared({ headers: 'content-type: text/plain\nUSER-AGENT: mine' });
    expect(header(request, 'content-type')).toEqual(['text/plain']);
    expect(header(request, 'user-agent')).toEqual(['mine']);
  });

  it('logs in with the credentials of its URL, unless a header says otherwise', () => {
    const url = 'https://user:pw@example.com/{{ model }}';
    expect(header(prepared({ url }), 'authorization')).toEqual([
      `Basic ${Buffer.from('user:pw').toString('base64')}`,
    ]);
    expect(header(prepared({ url, headers: 'Authorization: Bearer x' }), 'authorization')).toEqual([
      'Bearer x',
    ]);
    expect(prepared({ url }).origin).toBe('https://example.com');
  });

  it.each([
    'webhook-id: x',
    'Webhook-Signature: x',
    'X-Hook-Signature: x',
    'Host: x',
    'Content-Length: 1',
  ])('is refused where additional headers set %s', (headers) => {
    expect(() => prepared({ headers })).toThrow(expect.objectContaining({ code: 'HEADER_INVALID' }));
  });

  it('is refused where its URL leaves the origin of its template', () => {
    const elsewhere = shape({ url: '{{ data.url }}' }, { origin: 'https://example.com' });
    const event = (url: string) => delivery(JSON.stringify({ data: { url } }));
    expect(prepareRequest(elsewhere, event('https://example.com/x'), MOMENT).path).toBe('/x');
    for (const url of [
      'https://evil.example/',
      'http://example.com/',
      'https://example.com:444/',
      'https://example.com@evil.example/',
    ]) {
      expect(() => prepareRequest(elsewhere, event(url), MOMENT)).toThrow(
        expect.objectContaining({ code: 'URL_INVALID', message: expect.not.stringContaining('evil') }),
      );
    }
  });

  it('may go where data says where its definition allows that', () => {
    const anywhere = shape({ url: '{{ data.url }}' }, { origin: null });
    const event = delivery(JSON.stringify({ data: { url: 'https://anywhere.example/x' } }));
    expect(prepareRequest(anywhere, event, MOMENT).origin).toBe('https://anywhere.example');
  });

  it('never lets data end a header or begin another', () => {
    fc.assert(
      fc.property(
        fc.string({
          unit: fc.constantFrom('a', '\r', '\n', ':', ' ', '\0', 'X', '\u0085', '\u2028', '\u000b', '€'),
        }),
        (value) => {
          const webhook = { headers: 'X-Name: {{ data.name }}\nX-Last: 1' };
          let request: ReturnType<typeof prepared>;
          try {
            request = prepared(webhook, {}, JSON.stringify({ data: { name: value } }));
          } catch (error) {
            expect(error).toMatchObject({ code: 'HEADER_INVALID' });
            return;
          }
          const own = request.headers.filter(([name]) => name.startsWith('X-'));
          expect(own.map(([name]) => name)).toEqual(['X-Name', 'X-Last']);
          for (const [, one] of request.headers) expect(one).not.toMatch(/[\r\n\0]/);
        },
      ),
    );
  });

  it('fails with its reason where a template fails', () => {
    const strict = compileTemplate('{{ nothing.at.all }}', { path: 'body', undefined: 'strict' });
    expect(() => prepared({}, { body: strict })).toThrow(
      expect.objectContaining({ code: 'TEMPLATE_FAILED' }),
    );
  });
});

describe('what templates see', () => {
  it('is the Event, and what else is known of the Change and the Webhook', () => {
    const scope = templateScope(delivery(), 'Slack!');
    expect(Object.keys(scope)).toEqual([
      'event',
      'timestamp',
      'model',
      'username',
      'request_id',
      'data',
      'snapshots',
      'event_id',
      'schema',
      'table',
      'lsn',
      'xid',
      'changes',
      'webhook',
    ]);
    expect(scope).toMatchObject({
      event_id: '0badcafe-00000000016b3748-00000000-aaaaaaaa',
      schema: 'public',
      table: 'thing_table',
      lsn: '0/16B3748',
      xid: 4_000_000_000,
      webhook: { name: 'Slack!' },
      data: { id: 9_223_372_036_854_775_807n },
    });
  });

  it('has every digit of an int8', () => {
    expect(prepared({ body: '{{ data.id }}' }).body.toString()).toBe('9223372036854775807');
  });

  it.each<[string, string, unknown]>([
    ['what differs', '{"prechange":{"a":1,"b":"x"},"postchange":{"a":2,"b":"x"}}', { a: { old: 1, new: 2 } }],
    ['nothing', '{"prechange":{"a":[1,{"b":null}]},"postchange":{"a":[1,{"b":null}]}}', {}],
    [
      'nested values',
      '{"prechange":{"a":[1,2]},"postchange":{"a":[1,3]}}',
      { a: { old: [1, 2], new: [1, 3] } },
    ],
    ['objects by their content', '{"prechange":{"a":{"x":1,"y":2}},"postchange":{"a":{"y":2,"x":1}}}', {}],
    [
      'to and from null',
      '{"prechange":{"a":null,"b":1},"postchange":{"a":1,"b":null}}',
      { a: { old: null, new: 1 }, b: { old: 1, new: null } },
    ],
    [
      'large integers exactly',
      '{"prechange":{"a":9007199254740993},"postchange":{"a":9007199254740992}}',
      { a: { old: 9007199254740993n, new: 9007199254740992n } },
    ],
    ['not what one side does not have', '{"prechange":{"a":1},"postchange":{"a":1,"b":2}}', {}],
    [
      'a column called __proto__',
      '{"prechange":{"__proto__":1},"postchange":{"__proto__":2}}',
      JSON.parse('{"__proto__":{"old":1,"new":2}}'),
    ],
    ['null without a before image', '{"prechange":null,"postchange":{"a":1}}', null],
    ['null without an after image', '{"prechange":{"a":1},"postchange":null}', null],
  ])('has as changes %s', (_what, snapshots, changes) => {
    const seen = changesOf((parseJson(`{"s":${snapshots}}`) as JsonObject)['s']);
    expect(seen === null ? null : Object.entries(seen)).toEqual(
      changes === null ? null : Object.entries(changes as object),
    );
  });

  it('is null for an Event without snapshots', () => {
    expect(changesOf(undefined)).toBeNull();
    expect(changesOf('text')).toBeNull();
  });
});
