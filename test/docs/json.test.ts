/** docs/json.md names every key that the commands promise. */
import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { pageText } from './blocks.ts';

const SHAPES: [string, string][] = [
  ['src/commands/statusReport.ts', 'StatusReport'],
  ['src/commands/deliveryJson.ts', 'DeliveryJson'],
  ['src/commands/deliveryJson.ts', 'AttemptJson'],
  ['src/commands/deliveryJson.ts', 'DeliveryDetailJson'],
  ['src/commands/webhooks.ts', 'WebhookJson'],
  ['src/queue/gaps.ts', 'Gap'],
  ['src/queue/replays.ts', 'Replay'],
  ['src/setup/check.ts', 'Finding'],
  ['src/config/mistakes.ts', 'Mistake'],
];

/** The names of an interface's properties, those of objects in it too. */
function keysOf(file: string, name: string): string[] {
  const source = readFileSync(new URL(`../../${file}`, import.meta.url), 'utf8');
  const body =
    new RegExp(`^export interface ${name}\\b[^{]*\\{$([\\s\\S]*?)^\\}$`, 'm').exec(source)?.[1] ?? '';
  return Array.from(body.matchAll(/readonly (\w+)\??:/g), ([, key = '']) => key);
}

describe('docs/json.md', () => {
  it.each(SHAPES)('has every key that %s promises as %s', (file, name) => {
    const keys = keysOf(file, name);
    expect(keys.length).toBeGreaterThan(2);
    const page = pageText('docs/json.md');
    expect(keys.filter((key) => !page.includes(`\`${key}\``))).toEqual([]);
  });
});
