/**
 * textwrap.wrap of Python's standard library, with white space kept as it is: the wordwrap filter's way
 * of breaking lines.
 */

import type { Budget } from '../budget.ts';
import { eachMatch } from './scan.ts';

export interface WrapOptions {
  readonly budget: Budget;
  readonly width: number;
  readonly breaksWords: boolean;
  readonly breaksHyphens: boolean;
}

const SPACE = '\\t\\n\\x0b\\x0c\\r ';
const LETTER = '[^\\d\\W]';
const PUNCTUATION = '[\\w!"\'&.,?]';

/** What a text falls into: spaces, dashes between words, and words, broken after hyphens. */
const CHUNK = new RegExp(
  `([${SPACE}]+` +
    `|(?<=${PUNCTUATION})-{2,}(?=\\w)` +
    `|[^${SPACE}]+?(?:-(?:(?<=${LETTER}{2}-)|(?<=${LETTER}-${LETTER}-))(?=${LETTER}-?${LETTER})` +
    `|(?=[${SPACE}]|$)|(?<=${PUNCTUATION})(?=-{2,}\\w)))`,
  'g',
);
const SIMPLE_CHUNK = new RegExp(`[${SPACE}]+|[^${SPACE}]+`, 'g');

/** The lines of a paragraph, each at most `width` (1 or more) long where the words allow it. */
export function wrap(text: string, options: WrapOptions): string[] {
  const { width } = options;
  const chunks = chunksOf(text, options).reverse();
  const lines: string[] = [];
  while (chunks.length > 0) {
    options.budget.step(4);
    if (lines.length > 0 && isBlank(chunks.at(-1))) chunks.pop();
    const line: string[] = [];
    let length = 0;
    for (let next = chunks.at(-1); next !== undefined; next = chunks.at(-1)) {
      if (length + next.length > width) break;
      line.push(next);
      length += next.length;
      chunks.pop();
    }
    if ((chunks.at(-1)?.length ?? 0) > width) takeLongWord(chunks, line, width - length, options);
    if (isBlank(line.at(-1))) line.pop();
    if (line.length > 0) lines.push(line.join(''));
  }
  return lines;
}

function chunksOf(text: string, { breaksHyphens, budget }: WrapOptions): string[] {
  return Array.from(eachMatch(text, breaksHyphens ? CHUNK : SIMPLE_CHUNK, budget), ([chunk]) => chunk);
}

function isBlank(chunk: string | undefined): boolean {
  return chunk !== undefined && chunk.trim() === '';
}

/** Puts a word longer than a line where it may go: broken over lines, or on a line of its own. */
function takeLongWord(chunks: string[], line: string[], room: number, options: WrapOptions): void {
  const word = chunks.at(-1) ?? '';
  if (!options.breaksWords) {
    if (line.length === 0) line.push(chunks.pop() ?? '');
    return;
  }
  const hyphen = options.breaksHyphens && word.length > room ? word.lastIndexOf('-', room - 1) : -1;
  const hasText = hyphen > 0 && /[^-]/.test(word.slice(0, hyphen));
  const end = hasText ? hyphen + 1 : room;
  line.push(word.slice(0, end));
  chunks[chunks.length - 1] = word.slice(end);
}
