/** A headless Chromium: the one of CHROMIUM_PATH, of the system, or none. */
import { existsSync } from 'node:fs';
import { type Browser, chromium } from 'playwright-core';

const PLACES = ['/usr/bin/chromium', '/usr/bin/chromium-browser', '/usr/bin/google-chrome'];

/** null where there is none: its tests are skipped, loudly, and with CI=true that is a failure. */
export function findChromium(): string | null {
  const found = [process.env['CHROMIUM_PATH'], ...PLACES].find(
    (path) => path !== undefined && existsSync(path),
  );
  if (found !== undefined) return found;
  if (process.env['CI'] === 'true') {
    throw new Error(
      'No Chromium: set CHROMIUM_PATH or install chromium. With CI=true its tests are not skipped.',
    );
  }
  process.stderr.write(
    '\n*** NO CHROMIUM FOUND (CHROMIUM_PATH, /usr/bin/chromium): TESTS OF THE PAGE ARE SKIPPED ***\n\n',
  );
  return null;
}

export async function openBrowser(executablePath: string): Promise<Browser> {
  return await chromium.launch({ executablePath, args: ['--no-sandbox', '--disable-dev-shm-usage'] });
}
