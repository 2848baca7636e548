import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { isForbiddenHeader, parseHeaders } from '../../src/deliver/headers.ts';

const headerInvalid = expect.objectContaining({ code: 'HEADER_INVALID' });

describe('additional headers', () => {
  it.each<[string, [string, string][]]>([
    ['', []],
    ['X-A: 1', [['X-A', '1']]],
    [
      'X-A: 1\nX-B: 2',
      [
        ['X-A', '1'],
        ['X-B', '2'],
      ],
    ],
    [
      'X-A: 1\r\nX-B: 2\r\n',
      [
        ['X-A', '1'],
        ['X-B', '2'],
      ],
    ],
    [
      'X-A: 1\rX-B: 2',
      [
        ['X-A', '1'],
        ['X-B', '2'],
      ],
    ],
    ['\n\n  \nX-A: 1\n\nno colon here\n', [['X-A', '1']]],
    ['X-A:1', [['X-A', '1']]],
    ['X-A:', [['X-A', '']]],
    ['  X-A :  a: b  ', [['X-A', 'a: b']]],
    ['X-A: http://h:80/?a=b', [['X-A', 'http://h:80/?a=b']]],
    ['X-A: 1\nx-a: 2', [['x-a', '2']]],
    [
      'X-A: 1\nX-B: 2\nX-A: 3',
      [
        ['X-B', '2'],
        ['X-A', '3'],
      ],
    ],
    ['Authorization: Token abc', [['Authorization', 'Token abc']]],
    ['X-Latin: é\u00ff', [['X-Latin', 'é\u00ff']]],
    ['X-Tab: a\tb', [['X-Tab', 'a\tb']]],
    ["!#$%&'*+.^_`|~09AZaz-: odd", [["!#$%&'*+.^_`|~09AZaz-", 'odd']]],
  ])('%j are %j', (text, headers) => {
    expect(parseHeaders(text)).toEqual(headers);
  });

  it.each([
    ['a space in a name', 'X A: 1'],
    ['no name', ': 1'],
    ['a name of other letters', 'Ü: 1'],
    ['a control character in a name', 'X\u0000A: 1'],
    ['a control character in a value', 'X-A: a\u0000b'],
    ['another control character', 'X-A: a\u001bb'],
    ['DEL', 'X-A: a\u007fb'],
    ['a vertical tab that some take for a line end', 'X-A: a\u000bX-B: b'],
    ['text beyond latin-1', 'X-A: 🐘'],
    ['the euro sign', 'X-A: €'],
    ['a line separator', 'X-A: a\u2028b'],
    ['a value that is too long', `X-A: ${'x'.repeat(8_193)}`],
  ])('are refused for %s', (_what, text) => {
    expect(() => parseHeaders(text)).toThrow(headerInvalid);
  });

  it.each([
    'Host',
    'HOST',
    'Content-Length',
    'Transfer-Encoding',
    'transfer-encoding',
    'Connection',
    'Keep-Alive',
    'TE',
    'Trailer',
    'Upgrade',
    'Expect',
    'Proxy-Authorization',
    'proxy-connection',
    'webhook-id',
    'Webhook-Timestamp',
    'webhook-signature',
    'webhook-anything',
    'X-Hook-Signature',
    'x-hook-signature',
  ])('are refused where they set %s', (name) => {
    expect(isForbiddenHeader(name)).toBe(true);
    expect(() => parseHeaders(`${name}: x`)).toThrow(headerInvalid);
  });

  it.each([
    'Content-Type',
    'User-Agent',
    'Authorization',
    'Accept',
    'X-Webhook-Id',
    'Cookie',
  ])('may set %s', (name) => {
    expect(isForbiddenHeader(name)).toBe(false);
  });

  it('are refused by name, never by value', () => {
    const error = (() => {
      try {
        parseHeaders('X-Token: hunter2\u0000');
      } catch (caught) {
        return caught as Error;
      }
      return null;
    })();
    expect(error?.message).toContain('X-Token');
    expect(error?.message).not.toContain('hunter2');
  });

  it('never hold what could end a header, whatever the text', () => {
    const text = fc.string({
      unit: fc.constantFrom('a', ':', ' ', '\n', '\r', '\t', '\0', 'é', '€', '\u2028', '-', '🐘', '\u0085'),
    });
    fc.assert(
      fc.property(text, (sample) => {
        let headers: [string, string][];
        try {
          headers = parseHeaders(sample);
        } catch (error) {
          expect(error).toEqual(headerInvalid);
          return;
        }
        for (const [name, value] of headers) {
          expect(name).toMatch(/^[\x21-\x7e]+$/);
          expect(value).toMatch(/^[\t\x20-\x7e\x80-\xff]*$/);
        }
        const names = headers.map(([name]) => name.toLowerCase());
        expect(new Set(names).size).toBe(names.length);
      }),
      { numRuns: 1_000 },
    );
  });
});
