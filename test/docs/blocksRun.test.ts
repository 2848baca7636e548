/**
 * Every block of shell, SQL and JavaScript on the pages is run by a test, or stands here with the reason why not.
 * A test takes its block from the page by `shellBlock(page, text)`: that is what is looked for.
 */
import { readdirSync, readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { BENCHES } from '../../bench/benches.ts';
import { blocksOf } from './blocks.ts';
import { commandsOf, runnableBlocks } from './shellBlocks.ts';

const RUNNERS = [
  'test/docs/commands.e2e.test.ts',
  'test/docker/stack.docker.ts',
  'test/docker/stop.docker.ts',
];

/** Page and a text of the block; the reason. */
const NOT_RUN: readonly (readonly [page: string, having: string, reason: string])[] = [
  [
    'README.md',
    'npm ci && npm run demo',
    'a whole test run cannot run in itself; .ci/run runs the second line, and test/tarball the demo',
  ],
  [
    'docs/architecture.md',
    'npm run test:crash',
    'commands of minutes and hours; that each exists is tested below',
  ],
];

const calls = RUNNERS.flatMap((file) => {
  const source = readFileSync(new URL(`../../${file}`, import.meta.url), 'utf8');
  const found = source.matchAll(/shellBlock\(\s*'([^']+)',\s*(?:'([^']+)'|"([^"]+)"|(having))/g);
  return Array.from(found, ([, page = '', single, double]) => ({ page, having: single ?? double ?? null }));
});
/** What `it.each` hands over to `shellBlock`. */
const HANDED_OVER: readonly (readonly [page: string, having: string])[] = [
  ['docs/migration.md', 'webhooks.json --output'],
  ['docs/migration.md', 'rules.json --output'],
];

describe('a block that somebody may paste', () => {
  const known = [
    ...calls.flatMap(({ page, having }) => (having === null ? [] : [[page, having] as const])),
    ...HANDED_OVER,
    ...NOT_RUN.map(([page, having]) => [page, having] as const),
  ];

  it.each(runnableBlocks())('at $place is run by a test, or is told why not', ({ place, text }) => {
    const [page] = place.split(':');
    expect(known.some(([on, having]) => on === page && text.includes(having))).toBe(true);
  });

  it.each(NOT_RUN)('%s has the block that is not run: %s', (page, having) => {
    expect(blocksOf(page, 'sh', 'sql', 'js').filter(({ text }) => text.includes(having))).toHaveLength(1);
  });
});

describe('a command of the project itself', () => {
  const { scripts } = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8')) as {
    scripts: Record<string, string>;
  };
  const commands = NOT_RUN.flatMap(([page, having]) =>
    blocksOf(page, 'sh').filter(({ text }) => text.includes(having)),
  ).flatMap(({ text }) => commandsOf(text).flatMap((line) => line.split(' && ')));

  it.each(commands)('exists: %s', (command) => {
    const words = command.split(' ');
    const [tool, verb, name = ''] = words;
    const script = tool !== 'npm' || verb === 'ci' ? null : verb === 'run' ? name : verb;
    if (script !== null) expect(Object.keys(scripts)).toContain(script);
    if (tool === 'npx')
      expect(readdirSync(new URL(`../../${words.at(-1)}`, import.meta.url)).length).toBeGreaterThan(0);
    if (script === 'bench') expect(['all', ...BENCHES.map((bench) => bench.name)]).toContain(words[4]);
  });
});
