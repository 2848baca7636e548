/**
 * Reference pages that are written by the code they describe. `npm run docs` writes them anew;
 * without it a page that has fallen behind is a failure.
 */
import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { configShape } from '../../src/config/schema.ts';
import { errorCatalogue } from '../../src/core/errors.ts';
import { STORE_FORMAT } from '../../src/queue/store.ts';
import { packageVersion } from '../../src/version.ts';
import { configurationPage } from './configurationPage.ts';

const EXIT = {
  1: 'the answer is no',
  2: 'bad usage or configuration',
  3: 'a service could not be reached',
} as const;

describe('docs/errors.md', () => {
  it('has every error with its meaning and its remedy', async () => {
    const rows = Object.entries(errorCatalogue)
      .sort(([a], [b]) => a.localeCompare(b, 'en'))
      .map(
        ([code, { exit, meaning, remedy }]) =>
          `| \`${code}\` | ${exit} | ${cell(meaning)} | ${cell(remedy)} |`,
      );
    const exits = Object.entries(EXIT).map(([code, meaning]) => `- ${code}: ${meaning}`);
    const page = [
      '# Errors',
      '',
      'Every error is printed as `CODE: what was expected, what was found, where` and a line `Try: …` with what',
      'repairs it. Codes are stable: scripts and alerts may rely on them. `--debug` adds a stack trace.',
      '',
      'A command ends with',
      '',
      '- 0: done',
      ...exits,
      '',
      '| code | exit | what it means | what repairs it |',
      '| --- | --- | --- | --- |',
      ...rows,
      '',
    ];
    await expect(page.join('\n')).toMatchFileSnapshot('../../docs/errors.md');
  });
});

describe('docs/configuration.md', () => {
  it('has every key with its type, default and meaning', async () => {
    await expect(configurationPage(configShape())).toMatchFileSnapshot('../../docs/configuration.md');
  });
});

describe('CHANGELOG.md', () => {
  it('names the version and the format of the queue that setup brings it to', () => {
    const text = readFileSync(new URL('../../CHANGELOG.md', import.meta.url), 'utf8');
    expect(text).toContain(`## ${packageVersion()}`);
    expect(text).toContain(`the queue (format ${STORE_FORMAT})`);
  });
});

function cell(text: string): string {
  return text.replaceAll('|', '\\|').replaceAll('\n', ' ');
}
