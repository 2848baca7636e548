/** What people do on the page when a receiver is down, with a real daemon, database, queue and browser. */
import { randomBytes } from 'node:crypto';
import type { Browser } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { findChromium, openBrowser } from '../helpers/browser.ts';
import { configFolder, type Daemon, startDaemon, walhook } from '../helpers/command.ts';
import { createDatabase, type TestDatabase } from '../helpers/database.ts';
import { createQueue, type TestQueue } from '../helpers/queue.ts';
import { openSink, type Sink } from '../helpers/sink.ts';
import { until } from '../helpers/until.ts';
import { logInto } from './loggedIn.ts';

const chromiumPath = findChromium();
const TOKENS = {
  viewer: 'token-of-the-viewer',
  operator: 'token-of-the-operator',
  admin: 'token-of-the-admin',
};

describe.skipIf(chromiumPath === null)('on the page', () => {
  let database: TestDatabase;
  let queue: TestQueue;
  let sink: Sink;
  let folder: Awaited<ReturnType<typeof configFolder>>;
  let daemon: Daemon;
  let browser: Browser;
  let url = '';

  beforeAll(async () => {
    database = await createDatabase();
    queue = await createQueue('postgres');
    sink = await openSink();
    await database.client.query('create table session (id int primary key, status text)');
    folder = await configFolder({
      environment: 'test',
      postgres: { url: database.url, slot: `slot_${randomBytes(5).toString('hex')}` },
      queue: queue.section,
      admin: {
        listen: '127.0.0.1:0',
        tokens: Object.entries(TOKENS).map(([role, token]) => ({ name: role, role, token })),
      },
      webhooks: [
        {
          name: 'sessions',
          models: ['session'],
          events: ['created', 'updated'],
          url: `${sink.url}in`,
          conditions: { attr: 'status', value: 'enabled' },
          body_template: '{"id": {{ data.id }}}',
          retry: { schedule: [] },
        },
      ],
    });
    expect(await walhook(['setup', '-c', folder.file])).toMatchObject({ code: 0, stderr: '' });
    daemon = startDaemon(['-c', folder.file]);
    await daemon.untilLogged('the admin page is open');
    url = String(daemon.log().find(({ msg }) => msg === 'the admin page is open')?.['url']);
    await daemon.untilLogged('capturing');
    browser = await openBrowser(chromiumPath ?? '');
  }, 120_000);

  afterAll(async () => {
    await browser.close();
    await daemon[Symbol.asyncDispose]();
    await folder[Symbol.asyncDispose]();
    await sink[Symbol.asyncDispose]();
    await database[Symbol.asyncDispose]();
    await queue[Symbol.asyncDispose]();
  });

  const logIn = (role: keyof typeof TOKENS) =>
    logInto(browser, url, TOKENS[role], { viewport: { width: 1_280, height: 900 } });

  it('a failure is found, understood, mended and resent', async () => {
    sink.answerWith((_request, response) => {
      response.statusCode = 404;
      response.end('no such path: /in');
    });
    await database.client.query("insert into session values (1, 'enabled'), (2, 'enabled'), (3, 'off')");
    const { page, errors } = await logIn('operator');

    // Found: the overview names the webhook, and the failures their cause.
    await until(async () => {
      await page.goto(`${url}/failures`);
      return (await page.getByRole('link', { name: '404', exact: true }).count()) === 1;
    });
    await page.goto(url);
    await page.getByRole('link', { name: '2 failed' }).click();
    const row = page.getByRole('row').filter({ hasText: 'sessions' });
    expect(await row.innerText()).toMatch(/404\s+2\b/);

    // Understood: what the receiver said.
    await row.getByRole('link', { name: 'HTTP 404' }).click();
    expect(await page.getByLabel('Response body').innerText()).toBe('no such path: /in');
    expect(await page.getByLabel('Request body').innerText()).toMatch(/\{"id": [12]\}/);
    await page.getByText('As curl').click();
    expect(await page.getByLabel('curl command').innerText()).toContain(`curl -X POST '${sink.url}in'`);

    // Mended, and all resent at once, with the count first.
    sink.answerWith((_request, response) => void response.end('ok'));
    const before = sink.received.length;
    await page.goto(`${url}/failures`);
    await page.getByRole('link', { name: 'Resend all' }).click();
    await page.getByText('2 Deliveries match').waitFor();
    await page.getByRole('button', { name: 'Resend 2' }).click();
    await page.getByText('2 will be sent again.').waitFor();
    await until(() => sink.received.length >= before + 2);
    expect(sink.received.slice(before).map(({ headers }) => headers['webhook-resend'])).toEqual(['1', '1']);
    await until(async () => {
      await page.goto(`${url}/deliveries?state=delivered`);
      return (await page.getByRole('row').filter({ hasText: 'HTTP 200' }).count()) === 2;
    });
    await page.goto(`${url}/failures`);
    await page.getByText('Nothing has failed.').waitFor();
    expect(errors).toEqual([]);
  });

  it('the live tail shows Deliveries as they happen', async () => {
    const { page, errors } = await logIn('viewer');
    await page.goto(`${url}/tail`);
    await page.getByText('watching').waitFor();
    await until(async () => {
      await database.client.query("update session set status = 'enabled' where id = 1");
      return (await page.locator('[data-tail-rows] tr').count()) > 0;
    });
    expect(await page.locator('[data-tail-rows] tr').first().innerText()).toMatch(
      /delivered\s+sessions\s+session 1\s+HTTP 200/,
    );
    expect(errors).toEqual([]);
  });

  it('conditions and templates are tried on real Events', async () => {
    const { page, errors } = await logIn('operator');
    await page.goto(`${url}/webhooks/sessions/try`);
    await page.getByText('matched', { exact: true }).waitFor();
    expect(await page.getByLabel('Body', { exact: true }).innerText()).toContain('"id":');
    await page.getByLabel('Conditions').fill('{attr: status, value: disabled}');
    await page.getByRole('button', { name: 'Try' }).click();
    await page.getByText('does not fire').waitFor();
    expect(await page.locator('.outcome').innerText()).toMatch(
      /status eq "disabled"\s+found "enabled" does not equal the value/,
    );
    await page.getByLabel('Conditions').fill('{attr: status, op: like}');
    await page.getByRole('button', { name: 'Try' }).click();
    await page.getByText('Not valid').waitFor();
    await page.getByLabel('Conditions').fill('');
    await page.getByLabel('Body (empty').fill('line one\n{{ data.id | nonsense }}');
    await page.getByRole('button', { name: 'Try' }).click();
    await page.getByText(/line 2, column \d+/).waitFor();
    expect(errors).toEqual([]);
  });

  it('a webhook is paused and resumed, and nothing is lost', async () => {
    const { page } = await logIn('operator');
    await page.goto(`${url}/webhooks/sessions`);
    await page.getByRole('button', { name: 'Pause' }).click();
    await page.getByText('Paused.', { exact: true }).waitFor();
    const before = sink.received.length;
    await database.client.query("insert into session values (10, 'enabled')");
    await until(async () => {
      await page.goto(`${url}/deliveries?state=waiting`);
      return (await page.getByRole('link', { name: 'session 10' }).count()) === 1;
    });
    expect(sink.received.length).toBe(before);
    await page.goto(`${url}/webhooks/sessions`);
    await page.getByRole('button', { name: 'Resume' }).click();
    await until(() => sink.received.length > before);
  });

  it('a viewer reads and does nothing', async () => {
    const { page } = await logIn('viewer');
    await page.goto(`${url}/deliveries`);
    await page.getByRole('row').nth(1).waitFor();
    expect(await page.getByRole('button', { name: /Resend|Cancel/ }).count()).toBe(0);
    expect(await page.getByRole('checkbox').count()).toBe(0);
    const csrf = await page.locator('input[name=_csrf]').first().getAttribute('value');
    const status = await page.evaluate(
      async (token) =>
        (
          await fetch('/api/deliveries/resend', {
            method: 'POST',
            headers: { 'x-csrf-token': token ?? '', 'content-type': 'application/json' },
            body: '{}',
          })
        ).status,
      csrf,
    );
    expect(status).toBe(403);
    const answer = await page.goto(`${url}/deliveries/all/resend`);
    expect(answer?.status()).toBe(403);
    await page.getByText('FORBIDDEN').waitFor();
  });

  it('a reload changes what is sent from then on, and a mistake changes nothing', async () => {
    const { readFile, writeFile } = await import('node:fs/promises');
    const before = await readFile(folder.file, 'utf8');
    const config = JSON.parse(before) as { webhooks: Record<string, unknown>[] };
    const write = (changes: object) =>
      writeFile(
        folder.file,
        JSON.stringify({ ...config, webhooks: [{ ...config.webhooks[0], ...changes }] }, null, 2),
      );
    const { page } = await logIn('admin');
    await write({ events: ['creatd'] });
    await page.goto(`${url}/system`);
    await page.getByRole('button', { name: 'Reload configuration' }).click();
    // Told with path and line.
    await page.getByText(/walhook\.yaml:\d+: webhooks\[0\]\.events\[0\]: expected one of created/).waitFor();
    await write({ body_template: '{"new": {{ data.id }}}' });
    await page.getByRole('button', { name: 'Reload configuration' }).click();
    await page.getByText('Reloaded now.').waitFor();
    await daemon.untilLogged('reloaded definitions hold');
    await database.client.query("insert into session values (20, 'enabled')");
    await until(() => sink.received.some(({ body }) => body === '{"new": 20}'), { what: daemon.output() });
    await writeFile(folder.file, before);
    // The signal does the same.
    daemon.kill('SIGHUP');
    await until(() => daemon.log().filter(({ msg }) => msg === 'configuration reloaded').length === 2);
  });

  it('a logout ends the login', async () => {
    const { page } = await logIn('admin');
    await page.getByRole('button', { name: 'Log out' }).click();
    await page.getByLabel('Token').waitFor();
    const answer = await page.goto(`${url}/deliveries`);
    expect(answer?.status()).toBe(401);
  });

  it('everything fits a phone, and is reached by the keyboard', async () => {
    const { page } = await logIn('admin');
    await page.setViewportSize({ width: 390, height: 844 });
    for (const path of [
      '',
      'webhooks',
      'webhooks/sessions',
      'webhooks/sessions/try',
      'deliveries',
      'failures',
      'tail',
      'tasks',
      'gaps',
      'system',
    ]) {
      await page.goto(`${url}/${path}`);
      const beyond = await page.evaluate('document.documentElement.scrollWidth - innerWidth');
      expect({ path, beyond }).toEqual({ path, beyond: 0 });
    }
    await page.goto(`${url}/deliveries`);
    await page.keyboard.press('Tab');
    expect(await page.evaluate('document.activeElement.textContent')).toBe('Skip to the content');
    await page.keyboard.press('Enter');
    await page.keyboard.press('Tab');
    expect(await page.evaluate('document.activeElement.id')).toBe('f-webhook');
  });
});
