import type { IncomingHttpHeaders } from 'node:http';
import { describe, expect, it } from 'vitest';
import { ResponseReader, receivedResponse } from '../../src/deliver/responseReader.ts';

const HEADERS = { 'content-type': 'text/plain', date: 'Mon, 01 Jan 2024 00:00:00 GMT', 'x-token': 'one' };

describe('an answer that is the same as the last one', () => {
  it('is that one', () => {
    const reader = new ResponseReader();
    const first = reader.read({ ...HEADERS }, [Buffer.from('ok')], false);
    expect(reader.read({ ...HEADERS }, [Buffer.from('ok')], false)).toBe(first);
    expect(first).toEqual(receivedResponse(HEADERS, [Buffer.from('ok')], false));
  });

  it('without a body too', () => {
    const reader = new ResponseReader();
    expect(reader.read({ ...HEADERS }, [], false)).toBe(reader.read({ ...HEADERS }, [], false));
  });
});

describe('an answer that differs from the last one', () => {
  const cases: [what: string, headers: IncomingHttpHeaders, body: string[]][] = [
    ['in a value', { ...HEADERS, date: 'Mon, 01 Jan 2024 00:00:01 GMT' }, ['ok']],
    ['in a value that is masked', { ...HEADERS, 'x-token': 'two' }, ['ok']],
    ['in a header more', { ...HEADERS, vary: '*' }, ['ok']],
    ['in a header less', { 'content-type': HEADERS['content-type'], date: HEADERS.date }, ['ok']],
    ['in the order of its headers', Object.fromEntries(Object.entries(HEADERS).reverse()), ['ok']],
    ['in its body', HEADERS, ['ko']],
    ['in that it has no body', HEADERS, []],
    ['in a body in pieces', HEADERS, ['ok', 'ok']],
    ['in a long body', HEADERS, ['x'.repeat(2_000)]],
    ['in a header that came twice', { ...HEADERS, 'set-cookie': ['a=1', 'b=2'] }, ['ok']],
  ];

  it.each(cases)('is read anew: %s', (_, headers, pieces) => {
    const chunks = pieces.map((piece) => Buffer.from(piece));
    const reader = new ResponseReader();
    reader.read({ ...HEADERS }, [Buffer.from('ok')], false);
    expect(reader.read(headers, chunks, false)).toEqual(receivedResponse(headers, chunks, false));
  });

  it('does not hold the buffer that it was read from', () => {
    const reader = new ResponseReader();
    const bytes = Buffer.from('ok');
    const first = reader.read({ ...HEADERS }, [bytes], false);
    bytes.fill('x');
    expect(reader.read({ ...HEADERS }, [Buffer.from('ok')], false)).toBe(first);
  });
});
