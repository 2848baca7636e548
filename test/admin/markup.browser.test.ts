/** Markup in names, rows, headers, answers and errors, as a real browser takes every page that there is. */
import type { Browser, Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { findChromium, openBrowser } from '../helpers/browser.ts';
import { until } from '../helpers/until.ts';
import { EVIL, evilAdmin } from './evilAdmin.ts';
import { type TestAdmin, TOKENS } from './testAdmin.ts';

const chromiumPath = findChromium();
/** What is no page: files, data and what changes things. */
const NO_PAGE = /^\/(assets|api|metrics|livez|readyz|-)\b/;

describe.skipIf(chromiumPath === null)('markup in what rows, receivers and configuration hold', () => {
  let admin: TestAdmin;
  let browser: Browser;
  let page: Page;
  const said: string[] = [];

  beforeAll(async () => {
    admin = await evilAdmin();
    browser = await openBrowser(chromiumPath ?? '');
    const context = await browser.newContext({
      extraHTTPHeaders: { authorization: `Bearer ${TOKENS.admin}` },
    });
    page = await context.newPage();
    page.setDefaultTimeout(20_000);
    page.on('dialog', (dialog) => {
      said.push(`dialog ${dialog.message()}`);
      void dialog.dismiss();
    });
    page.on('console', (message) => {
      if (/content security policy/i.test(message.text())) said.push(message.text());
    });
  }, 60_000);
  afterAll(async () => {
    await browser.close();
    await admin[Symbol.asyncDispose]();
  });

  async function expectText(): Promise<void> {
    const made = await page
      .locator('img, iframe, object, embed, base, script:not([src^="/assets/"]), style')
      .count();
    const acting = await page.evaluate(() => {
      // What runs here runs in the page, which has a document.
      const { document } = globalThis as unknown as {
        document: { querySelectorAll(selector: string): Iterable<{ getAttributeNames(): string[] }> };
      };
      return [...document.querySelectorAll('*')].flatMap((element) =>
        element.getAttributeNames().filter((name) => name.startsWith('on') || name === 'style'),
      );
    });
    expect({ url: page.url(), made, acting, said }).toEqual({
      url: page.url(),
      made: 0,
      acting: [],
      said: [],
    });
  }

  it('stays text on every page of the table of routes', async () => {
    const key = admin.host.live.current.webhooks[0]?.match.key ?? '';
    const paths = admin.server.routes
      .filter(({ method, url }) => method === 'GET' && !NO_PAGE.test(url))
      .map(({ url }) => url.replace(':name', encodeURIComponent(key)).replace(':id', 'd1'));
    expect(paths.length).toBeGreaterThan(12);
    let shown = 0;
    const bad = encodeURIComponent(EVIL);
    for (const path of paths) {
      for (const search of [
        '',
        `?webhook=${bad}&key=${bad}&model=${bad}&event=d1&next=${bad}&done=${bad}&since=${bad}`,
      ]) {
        await page.goto(admin.server.url + path + search);
        await expectText();
        if ((await page.content()).includes('&lt;img src=x')) shown += 1;
      }
    }
    // It is there to be seen, on most of them.
    expect(shown).toBeGreaterThan(10);
  }, 120_000);

  it('stays text in the live tail, which is written by a script', async () => {
    await page.goto(`${admin.server.url}/tail`);
    await page.getByText('watching').waitFor();
    await until(
      async () => {
        await admin.queue.store.deliveries.resend({}, Date.now());
        await admin.queue.store.deliveries.cancel({}, Date.now());
        return (await page.locator('[data-tail-rows] tr').count()) > 0;
      },
      { timeoutMs: 20_000 },
    );
    expect(await page.locator('[data-tail-rows]').innerText()).toContain('<img src=x');
    await expectText();
  }, 60_000);
});
