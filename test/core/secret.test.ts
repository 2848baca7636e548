import { inspect } from 'node:util';
import { describe, expect, it } from 'vitest';
import { createLogger } from '../../src/core/logger.ts';
import { MASK, maskUrl, Secret } from '../../src/core/secret.ts';

const VALUE = 'hunter2-very-secret';
const secret = new Secret(VALUE);

describe('a secret', () => {
  it('gives its value when asked by name', () => {
    expect(secret.reveal()).toBe(VALUE);
  });

  it.each<[string, () => string]>([
    ['a template literal', () => `${secret}`],
    ['concatenation', () => `${String(secret)} and ${[secret].join()}`],
    ['JSON', () => JSON.stringify({ nested: [secret], secret })],
    ['inspect', () => inspect({ deep: { deeper: { deepest: [secret] } } }, { depth: null })],
    ['inspect of hidden fields', () => inspect(secret, { showHidden: true, customInspect: false, depth: 9 })],
    ['an error message', () => new Error(`${secret}`).message],
    ['its own keys', () => JSON.stringify(Object.entries(secret)) + Reflect.ownKeys(secret).join()],
    ['a structured clone', () => inspect(structuredClone(secret), { showHidden: true, depth: 9 })],
    ['a spread', () => JSON.stringify({ ...secret })],
  ])('is never shown by %s', (_what, show) => {
    expect(show()).not.toContain(VALUE);
    expect(show()).not.toContain('hunter2');
  });

  it('shows a mask where something is wanted', () => {
    expect(`${secret}`).toBe(MASK);
    expect(JSON.stringify(secret)).toBe(JSON.stringify(MASK));
  });

  it.each(['json', 'text'] as const)('is never shown by the %s logger', (format) => {
    const lines: string[] = [];
    const log = createLogger({ level: 'trace', format }, { write: (text) => void lines.push(text) });
    log.info({ config: { nested: secret }, secret, list: [secret] }, `message ${secret}`);
    log.child({ secret }).warn({ err: Object.assign(new Error('e'), { secret }) }, 'failed');
    expect(lines.length).toBeGreaterThan(0);
    expect(lines.join('')).not.toContain('hunter2');
  });
});

describe('the logger', () => {
  function logged(fields: Record<string, unknown>): string {
    const lines: string[] = [];
    const log = createLogger({ level: 'info', format: 'json' }, { write: (text) => void lines.push(text) });
    log.info(fields, 'message');
    return lines.join('');
  }

  it.each([
    ['a plain field', { password: VALUE }],
    ['a nested field', { client: { password: VALUE } }],
    ['a token', { options: { token: VALUE } }],
    ['a header', { headers: { authorization: VALUE } }],
    [
      'what a client library hangs on its errors',
      {
        err: Object.assign(new Error('refused'), {
          code: 'X',
          client: { password: VALUE },
          config: { url: VALUE },
        }),
      },
    ],
  ])('masks %s', (_what, fields) => {
    expect(logged(fields)).not.toContain('hunter2');
  });

  it('keeps type, message and code of an error', () => {
    const error = Object.assign(new TypeError('refused'), { code: '28P01' });
    expect(JSON.parse(logged({ err: error }))).toMatchObject({
      level: 'info',
      msg: 'message',
      err: { type: 'TypeError', message: 'refused', code: '28P01' },
    });
  });

  it('writes one line of text per entry, with values quoted where they need it', () => {
    const lines: string[] = [];
    const log = createLogger({ level: 'info', format: 'text' }, { write: (text) => void lines.push(text) });
    log.info({ plain: 'a/b', spaced: 'a b', many: 'line\nline', count: 3, list: [1] }, 'message');
    log.debug({}, 'too quiet');
    expect(lines.join('')).toMatch(
      /^\d\d:\d\d:\d\d\.\d{3} info {2}message plain=a\/b spaced="a b" many="line\\nline" count=3 list=\[1\]\n$/,
    );
  });
});

describe('a masked URL', () => {
  it.each([
    ['postgres://user:pw@db:5432/app', 'postgres://***:***@db:5432/app'],
    ['redis://:pw@cache:6379/0', 'redis://:***@cache:6379/0'],
    ['https://token@example.com/', 'https://***@example.com/'],
    ['https://example.com/?key=abc&other=def', 'https://example.com/?key=***&other=***'],
    ['postgres:///db?password=pw', 'postgres:///db?password=***'],
    ['https://example.com/?a=1&a=2', 'https://example.com/?a=***'],
    ['postgres://u:pw@a:1,b:2/db', '[not a URL]'],
    ['not a url: pw', '[not a URL]'],
    ['', '[not a URL]'],
  ])('%s → %s', (url, masked) => {
    expect(maskUrl(url)).toBe(masked);
  });
});
