/** Reads the fenced blocks of the project's pages, and what in them can be checked. */
import { readdirSync, readFileSync } from 'node:fs';
import { parse, stringify } from 'yaml';
import { keysAt } from '../../src/config/schema.ts';

export interface Block {
  /** `docs/webhooks.md:12` */
  readonly place: string;
  readonly language: string;
  readonly text: string;
  /** Whether `<!-- no configuration -->` stands above it. */
  readonly isMarked: boolean;
}

const root = new URL('../../', import.meta.url);

/** README.md and every page of docs/, as paths from the root of the project. */
export function pages(): string[] {
  const docs = readdirSync(new URL('docs/', root)).filter((name) => name.endsWith('.md'));
  return ['README.md', ...docs.map((name) => `docs/${name}`)];
}

export function pageText(page: string): string {
  return readFileSync(new URL(page, root), 'utf8');
}

/** The page's blocks of these languages. */
export function blocksOf(page: string, ...languages: string[]): Block[] {
  const blocks: Block[] = [];
  const lines = pageText(page).split('\n');
  for (let i = 0; i < lines.length; i++) {
    const language = /^ *```(\w+)$/.exec(lines[i] ?? '')?.[1];
    if (language === undefined) continue;
    const end = lines.findIndex((line, at) => at > i && /^ *```$/.test(line));
    const before = lines.slice(0, i).findLast((line) => line.trim() !== '');
    if (languages.includes(language)) {
      blocks.push({
        place: `${page}:${i + 1}`,
        language,
        text: lines.slice(i + 1, end).join('\n'),
        isMarked: before === '<!-- no configuration -->',
      });
    }
    i = end;
  }
  return blocks;
}

const WEBHOOK = { models: ['example'], events: ['created'], url: 'https://example.test/' };
const SERVICES = { postgres: { url: 'postgres://db.test/app' }, queue: { url: 'redis://queue.test' } };

/**
 * A block as a whole configuration. One that is whole stays as it is written; one that has only some of the
 * file's keys gets the others that are required; anything else is keys of a webhook.
 */
export function asConfiguration(text: string): string {
  const content: unknown = parse(text);
  if (!isObject(content)) return text;
  const fileKeys = new Set(keysAt([]));
  const isFile = Object.keys(content).every((key) => fileKeys.has(key));
  if (!isFile) return stringify({ ...SERVICES, webhooks: [{ name: 'example', ...WEBHOOK, ...content }] });
  if (Object.hasOwn(content, 'postgres') && Object.hasOwn(objectAt(content, 'queue'), 'url')) return text;
  return stringify({ ...SERVICES, ...content, queue: { ...SERVICES.queue, ...objectAt(content, 'queue') } });
}

function objectAt(value: Readonly<Record<string, unknown>>, key: string): Readonly<Record<string, unknown>> {
  const inner = value[key];
  return isObject(inner) ? inner : {};
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** The calls of `walhook` in a block of shell, each as its arguments. */
export function walhookCalls(text: string): string[][] {
  const lines = text.replaceAll('\\\n', ' ').split('\n');
  return lines.flatMap((line) => {
    const calls: string[][] = [[]];
    for (const [word] of line.matchAll(/"[^"]*"|'[^']*'|&&|[|;]|#.*|[^\s|;]+/g)) {
      if (word.startsWith('#')) break;
      // What follows `>` is a file, and no command of ours.
      if (['&&', '&', '|', ';', '>'].includes(word)) calls.push([]);
      else calls.at(-1)?.push(/^["']/.test(word) ? word.slice(1, -1) : word);
    }
    return calls.flatMap((words) => argumentsOf(words) ?? []);
  });
}

/** Of `walhook …`, or of `npm run walhook -- …` and `npm run demo -- …` in a clone. */
function argumentsOf(words: readonly string[]): string[][] | null {
  const [first, second, script, dashes, ...rest] = words;
  if (first === 'walhook') return [words.slice(1)];
  if (first !== 'npm' || second !== 'run') return null;
  if (script === 'walhook') return dashes === '--' ? [rest] : null;
  return script === 'demo' ? [['demo', ...(dashes === '--' ? rest : [])]] : null;
}

/** Calls of `walhook` in the running text, as far as they are written: `walhook setup --print`. */
export function inlineCalls(page: string): string[][] {
  const prose = pageText(page).replaceAll(/^ *```[\s\S]*?^ *```$/gm, '');
  return Array.from(prose.matchAll(/`walhook (\w[^`]*)`/g), ([, call = '']) => call.trim().split(/\s+/));
}
