import { describe, expect, it } from 'vitest';
import type { ReceivedResponse, SentRequest } from '../../src/queue/attempt.ts';
import { type Exchanged, exchangeLine, readExchangeLine } from '../../src/queue/exchangeLines.ts';

const request = (more: Partial<SentRequest> = {}, id = 'a'): SentRequest => ({
  method: 'POST',
  url: 'https://hooks.example.com/in',
  headers: [
    ['Content-Type', 'application/json'],
    ['webhook-id', id],
    ['webhook-timestamp', '1700000000'],
  ],
  body: null,
  bodyIs: 'event',
  bodyBytes: 10,
  ...more,
});

const response: ReceivedResponse = {
  headers: [['date', 'Mon, 01 Jan 2024 00:00:00 GMT']],
  body: 'ok',
  encoding: 'utf8',
  isTruncated: false,
};
const other = { ...response, body: 'ko' };

const LINES: [what: string, exchanges: Exchanged[]][] = [
  ['nothing', []],
  ['one', [{ request: request(), response }]],
  ['no request and no response', [{ request: null, response: null }]],
  [
    'requests that differ in headers and length',
    ['a', 'b', 'ü"\n', ''].map((id, i) => ({ request: request({ bodyBytes: i }, id), response })),
  ],
  [
    'answers that are the same, then others, then none',
    [response, response, other, other, null, response].map((one) => ({ request: request(), response: one })),
  ],
  [
    'requests that differ in more',
    [
      request(),
      request({ method: 'PUT' }),
      request({ url: 'https://hooks.example.com/2' }),
      request({ headers: [['webhook-id', 'a']] }),
      request({ headers: [...request().headers.slice(0, 2), ['X-Other', '1']] }),
      request({ bodyIs: 'absent' }),
      request({ body: 'text', bodyIs: 'whole' }),
      request({ body: 'text', bodyIs: 'whole' }),
      request(),
    ].map((one) => ({ request: one, response })),
  ],
  [
    'requests after none',
    [
      { request: null, response: null },
      { request: request(), response },
      { request: request({}, 'b'), response },
    ],
  ],
];

describe('a line of exchanges', () => {
  it.each(LINES)('gives back what was written: %s', (_, exchanges) => {
    const rows = exchanges.map((one, i) => [i * 2, one] as [number, Exchanged]);
    const line = exchangeLine(rows);
    expect(line === '' ? [] : readExchangeLine(line)).toEqual(rows);
    expect(line).not.toContain('\n');
  });

  it('that was written whole is read', () => {
    const rows = [0, 1].map((i) => [i, { request: request({}, String(i)), response }]);
    const written = rows.map(([i, one]) => {
      const { request: sent, response: got } = one as Exchanged;
      return [i, sent, got];
    });
    expect(readExchangeLine(JSON.stringify(written))).toEqual(rows);
  });

  it('says what is the same once', () => {
    const rows = (count: number) =>
      Array.from({ length: count }, (_, i): [number, Exchanged] => [
        i,
        { request: request({}, String(i)), response },
      ]);
    const first = exchangeLine(rows(1)).length;
    expect(exchangeLine(rows(25)).length - first).toBeLessThan((24 * first) / 5);
  });

  it.each([
    ['is no JSON', 'x'],
    ['refers to a request that is not there', '[[0,[3,1,[]],null]]'],
  ])('is damaged when it %s', (_, line) => {
    expect(() => readExchangeLine(line)).toThrow(expect.objectContaining({ code: 'QUEUE_JOB_DAMAGED' }));
  });
});
