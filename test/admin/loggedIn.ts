/** A page of the admin server in a browser, after the login. */
import type { Browser, BrowserContextOptions, Page } from 'playwright-core';

export interface LoggedIn {
  readonly page: Page;
  /** What the browser reported, e.g. of the content security policy. A test fails when there is any. */
  readonly errors: string[];
}

export async function logInto(
  browser: Browser,
  url: string,
  token: string,
  options: BrowserContextOptions = {},
): Promise<LoggedIn> {
  const context = await browser.newContext({ viewport: { width: 1_280, height: 800 }, ...options });
  const page = await context.newPage();
  page.setDefaultTimeout(20_000);
  const errors: string[] = [];
  page.on('pageerror', (error) => errors.push(error.message));
  page.on('console', (message) => {
    // Refusals are what some of this is about.
    if (message.type() === 'error' && !/status of 4\d\d/.test(message.text())) errors.push(message.text());
  });
  await page.goto(url);
  await page.getByLabel('Token').fill(token);
  await page.getByRole('button', { name: 'Log in' }).click();
  await page.getByRole('heading', { name: 'Overview' }).waitFor();
  return { page, errors };
}
