import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { escapeHtml, html } from '../../src/admin/html.ts';
import { until } from '../helpers/until.ts';
import { EVIL, evilAdmin } from './evilAdmin.ts';
import { delivery } from './memoryDeliveries.ts';
import { type TestAdmin, testAdmin } from './testAdmin.ts';

describe('html', () => {
  it('escapes every value but what it made itself', () => {
    expect(html`<p title="${EVIL}">${[EVIL, html`<b>${EVIL}</b>`]}</p>`.toString()).toBe(
      `<p title="${escapeHtml(EVIL)}">${escapeHtml(EVIL)}<b>${escapeHtml(EVIL)}</b></p>`,
    );
    expect(escapeHtml(EVIL)).not.toMatch(/[<>"']/);
  });

  it('prints nothing for what is absent or false', () => {
    expect(html`a${null}${undefined}${false}${[]}b${0}`.toString()).toBe('ab0');
  });
});

describe('what rows, receivers and configuration hold', () => {
  let admin: TestAdmin;

  beforeAll(async () => {
    admin = await evilAdmin();
  });
  afterAll(() => admin[Symbol.asyncDispose]());

  const key = () => encodeURIComponent(admin.host.live.current.webhooks[0]?.match.key ?? '');
  const bad = encodeURIComponent(EVIL);

  it.each([
    ['the overview', () => '/'],
    ['the list of webhooks', () => '/webhooks'],
    ['a webhook', () => `/webhooks/${key()}`],
    ['a webhook by its name', () => `/webhooks/${bad}`],
    ['what an act says', () => `/webhooks/${key()}?done=test&status=${bad}&ms=${bad}`],
    ['the tester', () => `/webhooks/${key()}/try?event=d1`],
    ['Deliveries', () => '/deliveries'],
    ['a filter', () => `/deliveries?webhook=${bad}&key=${bad}&model=${bad}&request_id=${bad}&status=${bad}`],
    ['a filter that is not valid', () => `/deliveries?since=${bad}`],
    ['a state that is none', () => `/deliveries?state=${bad}`],
    ['a Delivery', () => '/deliveries/d1'],
    ['a Delivery that is not there', () => `/deliveries/${bad}`],
    ['the confirmation', () => `/deliveries/all/resend?webhook=${bad}&key=${bad}`],
    ['failures', () => '/failures'],
    ['background tasks', () => '/tasks'],
    ['the tail', () => '/tail'],
    ['Gaps', () => '/gaps'],
    ['the system', () => '/system'],
    ['the login', () => `/login?next=${bad}`],
    ['what is not there', () => `/${bad}`],
  ])('stays text on %s', async (_what, path) => {
    const answer = await admin.ask(path(), { headers: { accept: 'text/html' } });
    const page = await answer.text();
    expect(answer.headers.get('content-type')).toContain('text/html');
    expect(answer.status).toBeLessThan(500);
    expect(page).not.toMatch(/<img|<script>|onerror=alert\(1\)>/);
    expect(page).not.toMatch(
      /<(?!\/?(?:!doctype|html|head|meta|title|link|script|body|a|header|svg|path|span|nav|form|input|b|button|main|h1|h2|p|div|section|table|caption|thead|tbody|tr|th|td|time|code|pre|dl|dt|dd|ul|ol|li|label|select|option|textarea|meter|figure|figcaption|details|summary|br|noscript)\b)/i,
    );
  });

  it('stays JSON in the API', async () => {
    for (const path of ['/api/deliveries', '/api/deliveries/d1', '/api/webhooks', '/api/gaps']) {
      const answer = await admin.ask(path);
      expect(answer.headers.get('content-type')).toBe('application/json; charset=utf-8');
      expect(await answer.text()).toContain(JSON.stringify(EVIL).slice(1, -1));
    }
  });
});

describe('a viewer', () => {
  let admin: TestAdmin;
  beforeAll(async () => {
    admin = await testAdmin();
    admin.queue.deliveries.push(
      delivery('d1', {
        request: {
          method: 'POST',
          url: 'http://h/',
          headers: [],
          body: 'PAYLOAD-request',
          bodyIs: 'whole',
          bodyBytes: 3,
        },
        event: '{"event":"created","model":"m","data":{"a":"PAYLOAD-event"}}',
        log: [
          {
            startedMs: 1,
            durationMs: 1,
            responseMs: 1,
            status: 503,
            error: 'status',
            detail: 'HTTP 503',
            nextMs: null,
            response: { headers: [], body: 'PAYLOAD-response', encoding: 'utf8', isTruncated: false },
          },
        ],
      }),
    );
  });
  afterAll(() => admin[Symbol.asyncDispose]());

  it.each([
    '/deliveries/d1',
    '/api/deliveries/d1',
  ])('does not see what a Delivery holds: %s', async (path) => {
    const seen = async (as: 'viewer' | 'operator') =>
      [...(await (await admin.ask(path, { as })).text()).matchAll(/PAYLOAD-\w+/g)].map(([text]) => text);
    expect(await seen('viewer')).toEqual([]);
    expect(new Set(await seen('operator'))).toEqual(
      new Set(['PAYLOAD-request', 'PAYLOAD-event', 'PAYLOAD-response']),
    );
  });

  it('sees it where viewer_payloads says so', async () => {
    const tokens = [{ name: 'v', role: 'viewer', token: 'viewer-token-1' }];
    await using open = await testAdmin({ admin: { listen: '127.0.0.1:0', tokens, viewer_payloads: true } });
    open.queue.deliveries.push(delivery('d1'));
    expect(await (await open.ask('/api/deliveries/d1', { as: 'viewer' })).text()).toContain(
      '9223372036854775807',
    );
  });

  it('is offered no act', async () => {
    for (const path of [
      '/deliveries',
      '/deliveries/d1',
      '/webhooks/sessions',
      '/tasks',
      '/failures',
      '/system',
    ]) {
      const page = await (await admin.ask(path, { as: 'viewer' })).text();
      expect(page).not.toMatch(/Resend|Cancel|>Pause<|Send a test|Reload configuration/);
    }
  });
});

describe('resending more than a few hundred', () => {
  it('is done in pieces on a page of its own, audited when it begins and ends', async () => {
    await using admin = await testAdmin({ admin: { listen: '127.0.0.1:0' } });
    for (let i = 0; i < 1_300; i += 1) admin.queue.deliveries.push(delivery(`d${i}`));
    const open = { as: null, headers: { accept: 'text/html' } } as const;
    const confirm = await (await admin.ask('/deliveries/all/resend?state=failed', open)).text();
    expect(confirm).toContain('1,300');
    const [, csrf = ''] = /name="_csrf" value="([^"]+)"/.exec(confirm) ?? [];
    const body = new URLSearchParams({ _csrf: csrf, all: '1', state: 'failed' }).toString();
    const begun = await admin.ask('/deliveries/resend', { ...open, method: 'POST', body });
    const place = begun.headers.get('location') ?? '';
    expect([begun.status, place]).toEqual([303, expect.stringMatching(/^\/operations\/[0-9a-f]{12}$/)]);
    await until(async () => (await (await admin.ask(place, open)).text()).includes('Done.'));
    expect(new Set(admin.queue.acts).size).toBe(1_300);
    expect(admin.log()).toMatch(/"total":1300.*admin: deliveries resend"/);
    await until(() => /"state":"done","done":1300,"skipped":0.*deliveries resend ended/.test(admin.log()));
    expect((await admin.ask('/operations/000000000000', open)).status).toBe(404);
  });
});
