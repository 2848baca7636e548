/** How the demo shows SQL and the webhooks that came of it: side by side on a wide terminal, else in turn. */
import { type Json, parseJson, stringifyJson } from '../core/json.ts';
import type { Step } from './steps.ts';

export interface Screen {
  readonly hasColor: boolean;
  /** Columns; 0 when the output is not a terminal. */
  readonly width: number;
}

const MIN_SIDE_BY_SIDE = 110;

export function showStep(step: Step, bodies: readonly string[], screen: Screen): string {
  const title = `${step.username} · request ${step.requestId.slice(0, 8)}`;
  const json = bodies.flatMap((body) => [...prettyLines(body), '']).slice(0, -1);
  if (screen.width < MIN_SIDE_BY_SIDE) {
    const sql = wrap(`${step.sql};`, Math.max(40, screen.width || 100));
    return [
      dim(`-- ${title}`, screen),
      ...sql.map((text) => cyan(text, screen)),
      ...json.map((text) => green(text, screen)),
      '',
      '',
    ].join('\n');
  }
  const left = Math.floor(screen.width * 0.42);
  const sql = wrap(`${step.sql};`, left - 2);
  const right = json.flatMap((text) => wrap(text, screen.width - left - 3));
  const rows = Math.max(sql.length + 1, right.length);
  let text = '';
  for (let i = 0; i < rows; i += 1) {
    const cell = (i === 0 ? `-- ${title}` : (sql[i - 1] ?? '')).slice(0, left).padEnd(left);
    text += `${i === 0 ? dim(cell, screen) : cyan(cell, screen)} ${dim('│', screen)} ${green(right[i] ?? '', screen)}\n`;
  }
  return `${text}\n`;
}

/** An Event over a few lines: the envelope on one, data and snapshots on one each. */
function prettyLines(body: string): string[] {
  const event = parseJson(body);
  if (typeof event !== 'object' || event === null || Array.isArray(event)) return [body];
  const part = (keys: readonly string[]) =>
    keys
      .filter((key) => Object.hasOwn(event, key))
      .map((key) => `${JSON.stringify(key)}: ${stringifyJson(event[key] as Json)}`)
      .join(', ');
  return [
    `{${part(['event', 'model', 'username', 'request_id', 'timestamp'])},`,
    ` ${part(['data'])},`,
    ` ${part(['snapshots', 'unavailable'])}}`,
  ];
}

/** Breaks a text at spaces and commas where it can. */
function wrap(text: string, width: number): string[] {
  const lines: string[] = [];
  let rest = text;
  while (rest.length > width) {
    const window = rest.slice(0, width);
    const space = Math.max(window.lastIndexOf(' '), window.lastIndexOf(',') + 1);
    const at = space > width / 3 ? space : width;
    lines.push(rest.slice(0, at).trimEnd());
    rest = rest.slice(at).trimStart();
  }
  return [...lines, rest];
}

function paint(code: number, text: string, { hasColor }: Screen): string {
  return hasColor && text !== '' ? `\u001b[${code}m${text}\u001b[0m` : text;
}

export const dim = (text: string, screen: Screen): string => paint(2, text, screen);
export const bold = (text: string, screen: Screen): string => paint(1, text, screen);
const cyan = (text: string, screen: Screen): string => paint(36, text, screen);
const green = (text: string, screen: Screen): string => paint(32, text, screen);
