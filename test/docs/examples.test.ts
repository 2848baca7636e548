/** What the pages show works: configurations are valid, their rule tests hold, commands and links exist. */
import { existsSync, readdirSync } from 'node:fs';
import { type Command, CommanderError } from 'commander';
import { describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { walhookProgram } from '../../src/cli.ts';
import { configFolder } from '../helpers/command.ts';
import { inProcess } from '../helpers/inProcess.ts';
import { asConfiguration, blocksOf, inlineCalls, pages, pageText, walhookCalls } from './blocks.ts';

const yaml = pages().flatMap((page) => blocksOf(page, 'yaml'));
const shell = pages().flatMap((page) => blocksOf(page, 'sh'));

describe('an example of configuration', () => {
  it('is found on the pages', () => {
    expect(yaml.length).toBeGreaterThan(10);
  });

  it.each(yaml.filter((block) => !block.isMarked))('at $place is valid', async ({ text }) => {
    const config = asConfiguration(text);
    await using folder = await configFolder(config);
    const hasTests = Object.hasOwn(parse(config), 'tests');
    const done = await inProcess(['validate', '-c', folder.file, ...(hasTests ? ['--test'] : [])]);
    expect(done.code === 0 ? '' : `${done.stdout}${done.stderr}`).toBe('');
  });
});

describe('an example of JSON', () => {
  it.each(pages().flatMap((page) => blocksOf(page, 'json')))('at $place is JSON', ({ text }) => {
    expect(() => JSON.parse(text)).not.toThrow();
  });
});

describe('a command', () => {
  const calls = shell.flatMap(({ place, text }) =>
    walhookCalls(text).map((args) => ({ place, args, call: args.join(' ') })),
  );

  it('is found on the pages', () => {
    expect(calls.length).toBeGreaterThan(10);
  });

  it.each(calls)('walhook $call at $place is understood', async ({ args }) => {
    expect(await refusal(args)).toBe('');
  });

  it.each([
    [['validate', '--nonsense']],
    [['nonsense']],
    [['try', '--webhook', 'x']],
  ])('%j is not understood', async (args) => {
    expect(await refusal(args)).not.toBe('');
  });
});

describe('a command in the running text', () => {
  it.each(pages())('of %s exists, with its options', (page) => {
    const unknown = inlineCalls(page).filter((words) => !isKnown(words));
    expect(unknown.map((words) => words.join(' '))).toEqual([]);
  });

  it.each([['nonsense'], ['setup --nonsense'], ['deliveries nonsense']])('%j is not known', (call) => {
    expect(isKnown(call.split(' '))).toBe(false);
  });
});

describe('a link', () => {
  it.each(pages())('of %s leads to a file that is there', (page) => {
    const targets = Array.from(pageText(page).matchAll(/\]\((?!https?:|#)([^)#\s]+)/g), ([, to]) => to ?? '');
    const at = new URL(`../../${page}`, import.meta.url);
    expect(targets.filter((to) => !existsSync(new URL(to, at)))).toEqual([]);
  });
});

const folders = readdirSync(new URL('../../src', import.meta.url), { withFileTypes: true }).flatMap(
  (entry) => (entry.isDirectory() ? [entry.name] : []),
);

describe('README.md', () => {
  it.each(pages().filter((page) => page !== 'README.md'))('leads to %s', (page) => {
    expect(pageText('README.md')).toContain(`](${page}`);
  });

  it('is short', () => {
    expect(pageText('README.md').split('\n').length).toBeLessThanOrEqual(150);
  });
});

describe('a file of the project', () => {
  it.each(pages())('that %s names is there', (page) => {
    const named = pageText(page).matchAll(/`((?:src|test|examples|sql|bench|assets)\/[\w./-]*\w)\/?`/g);
    const files = Array.from(named, ([, path]) => path ?? '');
    expect(files.filter((path) => !existsSync(new URL(`../../${path}`, import.meta.url)))).toEqual([]);
  });

  it.each(pages())('that %s names without its folder is in src or test', (page) => {
    const named = pageText(page).matchAll(/`(\w+(?:\.\w+)*\.ts)`/g);
    expect(Array.from(named, ([, name]) => name ?? '').filter((name) => !sources.has(name))).toEqual([]);
  });

  it.each(folders)('src/%s stands on the page for contributors', (folder) => {
    expect(pageText('docs/architecture.md')).toContain(`\`src/${folder}`);
  });
});

/** Names of all files of src and test. */
const sources = new Set(
  ['src', 'test'].flatMap((folder) =>
    readdirSync(new URL(`../../${folder}`, import.meta.url), { recursive: true, withFileTypes: true }).map(
      ({ name }) => name,
    ),
  ),
);

/** Whether command and options exist. Arguments may be left out: the text speaks of the command. */
function isKnown(words: readonly string[]): boolean {
  let at: Command = newProgram(() => {});
  const names: string[] = [];
  for (const word of words) {
    const below = at.commands.find((one) => one.name() === word || one.aliases().includes(word));
    if (below === undefined) break;
    at = below;
    names.push(word);
  }
  const next = words[names.length];
  const isCommandMissing = at.commands.length > 0 && next !== undefined && !/[|<-]/.test(next);
  if (names.length === 0 || isCommandMissing) return false;
  const options = words.filter((word) => word.startsWith('--')).map((word) => word.replace(/=.*/, ''));
  return options.every((option) => option === '--help' || at.options.some(({ long }) => long === option));
}

/** Why the command line refuses these arguments, empty where it does not. Runs nothing. */
async function refusal(args: readonly string[]): Promise<string> {
  let printed = '';
  const program = newProgram((text) => {
    printed += text;
  });
  const all = [...program.commands];
  for (const command of all) {
    if (command.commands.length > 0) all.push(...command.commands);
    else command.action(() => {});
  }
  try {
    await program.parseAsync(args, { from: 'user' });
    return '';
  } catch (error) {
    if (!(error instanceof CommanderError)) throw error;
    return error.exitCode === 0 ? '' : `${error.message}\n${printed}`;
  }
}

function newProgram(err: (text: string) => void): Command {
  return walhookProgram({
    env: {},
    out: () => {},
    err,
    readInput: async () => '',
    ask: async () => '',
    isTerminal: false,
    columns: 80,
    signal: new AbortController().signal,
  });
}
