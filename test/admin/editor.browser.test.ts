/**
 * A webhook's life on the page, with a real daemon, database, queue and browser: made, delivering, broken, found,
 * understood, mended, resent, edited, deleted. The pictures of docs/ are taken here with WALHOOK_WRITE_DOCS=yes.
 */
import { randomBytes } from 'node:crypto';
import { mkdir, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Browser, BrowserContextOptions, Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { findChromium, openBrowser } from '../helpers/browser.ts';
import { configFolder, type Daemon, startDaemon, walhook } from '../helpers/command.ts';
import { createDatabase, type TestDatabase } from '../helpers/database.ts';
import { createQueue, type TestQueue } from '../helpers/queue.ts';
import { openSink, type Sink } from '../helpers/sink.ts';
import { until } from '../helpers/until.ts';
import { logInto } from './loggedIn.ts';

const chromiumPath = findChromium();
const TOKENS = { viewer: 'token-of-the-viewer', admin: 'token-of-the-admin' };
const DOCS = fileURLToPath(new URL('../../docs/', import.meta.url));
const MAX_PICTURE_BYTES = 200_000;
const WIDE = { width: 1_280, height: 800 };
const PHONE = { width: 390, height: 844 };

describe.skipIf(chromiumPath === null)('the editor', { timeout: 180_000 }, () => {
  let database: TestDatabase;
  let queue: TestQueue;
  let sink: Sink;
  let folder: Awaited<ReturnType<typeof configFolder>>;
  let daemon: Daemon;
  let browser: Browser;
  let url = '';
  let pictures = '';

  beforeAll(async () => {
    database = await createDatabase();
    queue = await createQueue('postgres');
    sink = await openSink();
    await database.client.query(`
      create table session (id int primary key, status text not null, asn bigint not null);
      create table router (id int primary key, hostname text not null);
      alter table session replica identity full`);
    const hook = (name: string, more: object) => ({
      name,
      events: ['created', 'updated', 'deleted'],
      ...more,
    });
    folder = await configFolder({
      environment: 'production',
      postgres: { url: database.url, slot: `slot_${randomBytes(5).toString('hex')}`, wal_budget: '10GiB' },
      queue: queue.section,
      addresses: { allow: [`127.0.0.1:${sink.port}`] },
      rows: { allow_hosts: ['127.0.0.1', '*.example.com'] },
      secrets: { slack: 'the-secret-of-slack' },
      admin: {
        listen: '127.0.0.1:0',
        tokens: Object.entries(TOKENS).map(([role, token]) => ({ name: role, role, token })),
      },
      webhooks: [
        hook('inventory', { models: ['*'], url: `${sink.url}inventory` }),
        hook('router changes', { models: ['router'], url: `${sink.url}routers`, retry: { schedule: [] } }),
      ],
    });
    expect(await walhook(['setup', '-c', folder.file])).toMatchObject({ code: 0, stderr: '' });
    daemon = startDaemon(['-c', folder.file]);
    await daemon.untilLogged('the admin page is open', 60_000);
    url = String(daemon.log().find(({ msg }) => msg === 'the admin page is open')?.['url']);
    await daemon.untilLogged('capturing', 60_000);
    browser = await openBrowser(chromiumPath ?? '');
    pictures = process.env['WALHOOK_PICTURES'] ?? path.join(tmpdir(), 'walhook-pictures');
    await mkdir(pictures, { recursive: true });
  }, 120_000);

  afterAll(async () => {
    await browser.close();
    await daemon[Symbol.asyncDispose]();
    await folder[Symbol.asyncDispose]();
    await sink[Symbol.asyncDispose]();
    await database[Symbol.asyncDispose]();
    await queue[Symbol.asyncDispose]();
  });

  const logIn = (role: keyof typeof TOKENS, options: BrowserContextOptions = {}) =>
    logInto(browser, url, TOKENS[role], options);

  async function fillIn(page: Page, fields: Readonly<Record<string, string>>): Promise<void> {
    for (const [label, value] of Object.entries(fields))
      await page.getByLabel(label, { exact: true }).fill(value);
  }

  const received = (to: string) => sink.received.filter((one) => one.path === `/${to}`);

  it('makes a webhook whose Events arrive, and mends it when its receiver breaks', async () => {
    await database.client.query("insert into session values (1, 'enabled', 64500), (2, 'requested', 64501)");
    await until(() => received('inventory').length >= 2);
    const { page, errors } = await logIn('admin');

    // Made: what is wrong is told at its field, and nothing typed is lost.
    await page.goto(`${url}/webhooks`);
    await page.getByRole('link', { name: 'New webhook' }).click();
    await fillIn(page, {
      Name: 'sessions to slack',
      Models: 'session',
      URL: `${sink.url}slack`,
      Body: '{"text": "AS{{ data.asn }}\nis {{ data.status | uper }}"}',
      Conditions: '{attr: status, value: enabled}',
    });
    await page.getByLabel('Secret').selectOption('slack');
    await page.getByRole('button', { name: 'Save' }).click();
    await page.getByText('One mistake').waitFor();
    expect(await page.locator('#m-body_template').innerText()).toMatch(/line 2, column \d+/);
    expect(await page.getByLabel('Body', { exact: true }).getAttribute('aria-invalid')).toBe('true');
    expect(await page.getByLabel('Name', { exact: true }).inputValue()).toBe('sessions to slack');
    await picture(page, 'editor-mistake', {});

    // Tried on a real Event while it is typed, each condition with the value it saw.
    await fillIn(page, { Body: '{"text": "AS{{ data.asn }} is {{ data.status | upper }}"}' });
    await page.getByText('It would fire for 1 of 2.').waitFor();
    const outcome = page.locator('#outcome');
    expect(await outcome.innerText()).toMatch(/status eq "enabled"\s+found "(enabled|requested)"/);
    await page.getByLabel('Event to try it on').selectOption({ index: 0 });
    for (const option of await page.getByLabel('Event to try it on').locator('option').all()) {
      if (/session 1,/.test(await option.innerText())) {
        await page.getByLabel('Event to try it on').selectOption((await option.getAttribute('value')) ?? '');
      }
    }
    await page.getByRole('button', { name: 'Take and try' }).click();
    await page.getByText('matched', { exact: true }).waitFor();
    expect(await page.getByLabel('Body', { exact: true }).last().innerText()).toContain('AS64500 is ENABLED');
    await picture(page, 'editor', {});
    await page.getByRole('button', { name: 'Save' }).click();
    await page.getByText('Saved.', { exact: true }).waitFor();

    // Its Events arrive, signed.
    await until(async () => {
      await page.goto(`${url}/webhooks/sessions-to-slack`);
      return (await page.locator('.head .chip').innerText()) === 'active';
    });
    await database.client.query("insert into session values (3, 'enabled', 64502)");
    await until(() => received('slack').length === 1, { what: daemon.output() });
    expect(received('slack')[0]).toMatchObject({
      body: '{"text": "AS64502 is ENABLED"}',
      headers: { 'x-hook-signature': expect.stringMatching(/^[0-9a-f]{128}$/) },
    });
    await until(async () => {
      await page.reload();
      return (
        (await page
          .getByRole('row')
          .filter({ hasText: 'session 3' })
          .filter({ hasText: 'HTTP 200' })
          .count()) === 1
      );
    });

    // Its receiver breaks: the failure is found from the overview, and says why.
    sink.answerWith((request, response) => {
      response.statusCode = request.path === '/slack' ? 403 : 200;
      response.end(request.path === '/slack' ? 'invalid_token: this hook was revoked' : 'ok');
    });
    await page.goto(`${url}/webhooks/sessions-to-slack/edit`);
    await page.getByText('Delivery', { exact: true }).click();
    await fillIn(page, { Retries: 'never' });
    await page.getByRole('button', { name: 'Save' }).click();
    await page.getByText('Saved.', { exact: true }).waitFor();
    await until(async () => {
      await page.goto(`${url}/webhooks/sessions-to-slack`);
      return (
        (await page.getByText('not yet in force').count()) +
          (await page.getByText('A change has been saved').count()) ===
        0
      );
    });
    await database.client.query(
      "insert into session select i, 'enabled', 64500 + i from generate_series(10, 15) as i",
    );
    await until(async () => {
      await page.goto(url);
      return (await page.getByRole('link', { name: '6 failed' }).count()) === 1;
    });
    await page.getByRole('link', { name: '6 failed' }).click();
    const group = page.getByRole('row').filter({ hasText: 'sessions to slack' });
    expect(await group.innerText()).toMatch(/403\s+6\b/);
    await allPictures(page);
    await page.goto(`${url}/failures`);
    await group.getByRole('link', { name: 'HTTP 403' }).click();
    expect(await page.getByLabel('Response body').innerText()).toBe('invalid_token: this hook was revoked');
    await picture(page, 'delivery', {});

    // Mended by another URL, and all resent, with the count first.
    await page.goto(`${url}/webhooks/sessions-to-slack/edit`);
    await fillIn(page, { URL: `${sink.url}slack-new` });
    await page.getByRole('button', { name: 'Save' }).click();
    await page.getByText('Saved.', { exact: true }).waitFor();
    await until(async () => {
      await page.goto(`${url}/webhooks/sessions-to-slack`);
      return (
        (await page.getByText(`${sink.url}slack-new`).count()) > 0 &&
        (await page.getByText('A change has been saved').count()) === 0
      );
    });
    await page.goto(`${url}/failures`);
    await page.getByRole('link', { name: 'Resend all' }).click();
    await page.getByText('6 Deliveries match').waitFor();
    await page.getByRole('button', { name: 'Resend 6' }).click();
    await page.getByText('6 will be sent again.').waitFor();
    await until(() => received('slack-new').length === 6, { what: daemon.output() });
    await until(async () => {
      await page.goto(`${url}/deliveries?webhook=sessions+to+slack&state=delivered`);
      return (await page.getByRole('row').filter({ hasText: 'HTTP 200' }).count()) === 7;
    });
    await page.goto(`${url}/failures`);
    await page.getByText('Nothing has failed.').waitFor();
    expect(errors).toEqual([]);
  });

  it('tells why a Change did not fire, and sends the present rows to who missed them', async () => {
    const { page, errors } = await logIn('admin');
    await database.client.query("insert into session values (20, 'requested', 64520)");
    await until(async () => {
      await page.goto(`${url}/webhooks/sessions-to-slack`);
      return (await page.getByRole('row').filter({ hasText: 'session 20' }).count()) === 1;
    });
    expect(await page.getByRole('row').filter({ hasText: 'session 20' }).innerText()).toMatch(
      /status eq "enabled"\s+found "requested" does not equal the value/,
    );
    // Conditions and templates are tried by operators too, on webhooks of any kind.
    await page.getByRole('link', { name: 'Try conditions and templates' }).click();
    await page.getByText('matched', { exact: true }).waitFor();
    await page.getByLabel('Conditions').fill('{attr: status, value: none}');
    await page.getByRole('button', { name: 'Try', exact: true }).click();
    await page.getByText('does not fire').waitFor();
    const before = received('slack-new').length;
    await page.goto(`${url}/gaps`);
    await page.getByRole('link', { name: 'Send present rows…' }).click();
    await page.getByLabel('Model').fill('session');
    await page.getByLabel('For').selectOption('sessions-to-slack');
    await page.getByRole('button', { name: 'Begin' }).click();
    await until(async () => {
      await page.goto(`${url}/gaps`);
      return (await page.getByRole('row').filter({ hasText: 'done' }).count()) === 1;
    });
    // Of ten rows those two that are not enabled stay behind.
    expect(await page.getByRole('row').filter({ hasText: 'done' }).innerText()).toMatch(
      /session\s+sessions to slack\s+done\s+10\s+8/,
    );
    await until(() => received('slack-new').length === before + 8);
    expect(errors).toEqual([]);
  });

  it('works without scripts, and by the keyboard', async () => {
    const { page } = await logIn('admin', { javaScriptEnabled: false });
    await page.goto(`${url}/webhooks/new`);
    await page.getByLabel('Name', { exact: true }).focus();
    await page.keyboard.type('by keyboard');
    // To the box that says enabled, and on to the models.
    await page.keyboard.press('Tab');
    await page.keyboard.press('Tab');
    await page.keyboard.type('router');
    for (let i = 0; i < 6; i += 1) await page.keyboard.press('Tab');
    await page.keyboard.type(`${sink.url}keyboard`);
    await page.keyboard.press('Enter');
    await page.getByText('Saved.', { exact: true }).waitFor();
    const rows = await database.client.query("select * from walhook.webhook where name = 'by keyboard'");
    expect(rows.rows).toMatchObject([{ models: ['router'], events: ['created', 'updated', 'deleted'] }]);
    await until(async () => {
      await page.goto(`${url}/webhooks/by-keyboard`);
      return (await page.locator('.head .chip').innerText()) === 'active';
    });
    await page.getByRole('button', { name: 'Disable' }).click();
    await page.getByText('Disabled: it sends nothing more.').waitFor();
    await page.getByRole('link', { name: 'Delete…' }).click();
    await page.getByRole('button', { name: 'Delete' }).click();
    await page.getByText('Deleted.', { exact: true }).waitFor();
    await until(async () => {
      await page.goto(`${url}/webhooks`);
      return (await page.getByRole('link', { name: 'by keyboard' }).count()) === 0;
    });
  });

  it('shows a row of SQL that is invalid, with the reason, and those of the file with their line', async () => {
    await database.client.query(
      "insert into walhook.webhook (name, models, events, url) values ('to nowhere', '{session}', '{created}', 'https://evil.example/')",
    );
    const { page } = await logIn('viewer');
    await until(async () => {
      await page.goto(`${url}/webhooks`);
      return (
        (await page.getByRole('row').filter({ hasText: 'to nowhere' }).getByText('invalid').count()) === 1
      );
    });
    expect(await page.getByRole('row').filter({ hasText: 'inventory' }).innerText()).toMatch(
      /file, line \d+/,
    );
    await page.getByRole('link', { name: 'to nowhere' }).click();
    await page.getByText('Invalid, not in force').waitFor();
    expect(await page.getByRole('alert').innerText()).toMatch(/url: expected a host .* found evil\.example/);
    await database.client.query("delete from walhook.webhook where name = 'to nowhere'");
  });

  it('is not for viewers, who cannot resend either; a logout ends it', async () => {
    const { page } = await logIn('viewer');
    await page.goto(`${url}/webhooks`);
    expect(await page.getByRole('link', { name: 'New webhook' }).count()).toBe(0);
    for (const to of ['webhooks/new', 'webhooks/sessions-to-slack/edit', 'deliveries/all/resend']) {
      expect((await page.goto(`${url}/${to}`))?.status()).toBe(403);
    }
    await page.goto(url);
    await page.getByRole('button', { name: 'Log out' }).click();
    await page.getByLabel('Token').waitFor();
    expect((await page.goto(`${url}/webhooks`))?.status()).toBe(401);
  });

  interface PictureOptions {
    readonly scheme?: 'light' | 'dark';
    readonly size?: { readonly width: number; readonly height: number };
    /** Its name in docs/, where it is kept there. */
    readonly kept?: string;
    /** All of the page, not only what is seen first. */
    readonly isWhole?: boolean;
  }

  /** Takes a picture, small enough to be kept, of a page that nothing sticks out of. */
  async function picture(
    page: Page,
    name: string,
    { scheme = 'light', size = WIDE, kept, isWhole = false }: PictureOptions,
  ): Promise<void> {
    await page.emulateMedia({ colorScheme: scheme, reducedMotion: 'reduce' });
    await page.setViewportSize(size);
    const beyond = await page.evaluate('document.documentElement.scrollWidth - innerWidth');
    expect({ name, beyond }).toEqual({ name, beyond: 0 });
    const isKept = kept !== undefined && process.env['WALHOOK_WRITE_DOCS'] === 'yes';
    const file = isKept ? path.join(DOCS, kept) : path.join(pictures, `${name}-${scheme}.png`);
    await page.screenshot({ path: file, caret: 'hide', fullPage: isWhole });
    expect((await stat(file)).size).toBeLessThan(MAX_PICTURE_BYTES);
  }

  /** Every page with something on it, light, dark and on a phone. */
  async function allPictures(page: Page): Promise<void> {
    await database.client.query("insert into router values (1, 'edge-1'), (2, 'edge-2')");
    await until(() => received('routers').length === 2);
    const kept: Readonly<Record<string, PictureOptions & { readonly at: string }>> = {
      overview: { at: '', kept: 'page-light.png' },
      webhooks: { at: 'webhooks' },
      webhook: { at: 'webhooks/sessions-to-slack', isWhole: true },
      'edit-a-webhook': { at: 'webhooks/sessions-to-slack/edit', scheme: 'dark', kept: 'page-dark.png' },
      deliveries: { at: 'deliveries', kept: 'page-deliveries.png' },
      failures: { at: 'failures' },
      tail: { at: 'tail' },
      tasks: { at: 'tasks' },
      gaps: { at: 'gaps' },
      system: { at: 'system' },
    };
    for (const [name, { at, ...options }] of Object.entries(kept)) {
      await page.goto(`${url}/${at}`);
      await picture(page, name, options);
      await picture(page, `${name}-phone`, { size: PHONE });
      await picture(page, `${name}-phone`, { size: PHONE, scheme: 'dark' });
      await picture(page, name, { scheme: options.scheme === 'dark' ? 'light' : 'dark' });
    }
    await page.emulateMedia({ colorScheme: 'light' });
    await page.setViewportSize(WIDE);
  }
});
