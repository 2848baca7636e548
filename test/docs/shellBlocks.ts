/**
 * The commands and statements that the pages show, each found by a text that stands in it, so that a test runs
 * what is written and not a copy of it.
 */
import { type Block, blocksOf, pages } from './blocks.ts';

/** Languages of which a block is something to run. */
const RUN = ['sh', 'sql', 'js'];

/** Every block that somebody may paste. */
export function runnableBlocks(): Block[] {
  return pages().flatMap((page) => blocksOf(page, ...RUN));
}

/** The one block of the page that has the text in it. */
export function shellBlock(page: string, having: string): string {
  const found = blocksOf(page, ...RUN).filter(({ text }) => text.includes(having));
  if (found.length !== 1)
    throw new Error(`expected one block of ${page} with "${having}", found ${found.length}`);
  return found[0]?.text ?? '';
}

/** The same for what is no command: a configuration or an Event. */
export function yamlBlock(page: string, having: string): string {
  const found = blocksOf(page, 'yaml').filter(({ text }) => text.includes(having));
  if (found.length !== 1)
    throw new Error(`expected one block of ${page} with "${having}", found ${found.length}`);
  return found[0]?.text ?? '';
}

/** Puts what this machine has in place of what the page takes for an example. Each of the texts must be there. */
export function replaced(text: string, changes: Readonly<Record<string, string>>): string {
  return Object.entries(changes).reduce((done, [from, to]) => {
    if (!done.includes(from)) throw new Error(`expected "${from}" in:\n${text}`);
    return done.replaceAll(from, () => to);
  }, text);
}

/** The commands of a block, one each; a line that ends with a backslash goes on in the next. Comments are none. */
export function commandsOf(text: string): string[] {
  return text
    .replaceAll(/ *\\\n\s*/g, ' ')
    .split('\n')
    .map((line) => line.replace(/(^|\s{2,})#.*$/, '').trim())
    .filter((line) => line !== '');
}
