import { describe, expect, it } from 'vitest';
import { Secret } from '../../src/core/secret.ts';
import { recordAttempt } from '../../src/deliver/attemptRecord.ts';
import type { PreparedRequest } from '../../src/deliver/request.ts';
import { receivedResponse } from '../../src/deliver/responseReader.ts';
import { compileTemplate } from '../../src/template/engine.ts';

const SECRET = 'whsec_c2VjcmV0';
const template = compileTemplate('x', { path: 'body_template', undefined: 'lenient', headerSafe: false });
const times = { startedMs: 1_000, durationMs: 12.345 };

const request: PreparedRequest = {
  method: 'POST',
  origin: 'https://hooks.example.com',
  path: `/in?token=abc&model=thing&x=${SECRET}`,
  headers: [
    ['Content-Type', 'application/json'],
    ['Authorization', 'Basic dXNlcjpwYXNz'],
    ['X-Api-Key', 'k'],
    ['X-Note', `before ${SECRET} after`],
    ['webhook-signature', 'v1,abc'],
  ],
  body: Buffer.from(`{"s":"${SECRET}"}`),
};

describe('the record of an Attempt', () => {
  it('masks what is named like a credential and what is the secret of the Webhook', () => {
    const shape = { secrets: [new Secret(SECRET)], body: template };
    const record = recordAttempt(shape, request, { kind: 'response', status: 200 }, times);
    expect(record.request).toEqual({
      method: 'POST',
      url: 'https://hooks.example.com/in?token=[secret]&model=thing&x=[secret]',
      headers: [
        ['Content-Type', 'application/json'],
        ['Authorization', '[secret]'],
        ['X-Api-Key', '[secret]'],
        ['X-Note', 'before [secret] after'],
        ['webhook-signature', 'v1,abc'],
      ],
      body: '{"s":"[secret]"}',
      bodyIs: 'whole',
      bodyBytes: request.body.length,
    });
    expect(JSON.stringify(record)).not.toContain(SECRET);
    expect(record).toMatchObject({ durationMs: 12.3, status: 200, error: null, detail: null });
  });

  it('does not repeat the Event where it is the body', () => {
    const record = recordAttempt(
      { secrets: [], body: null },
      request,
      { kind: 'timeout', afterMs: 100 },
      times,
    );
    expect(record.request).toMatchObject({ body: null, bodyIs: 'event', bodyBytes: request.body.length });
    expect(record).toMatchObject({ status: null, error: 'timeout', response: null });
  });

  it('says why no request was made', () => {
    const result = { kind: 'unsendable', reason: 'template', detail: 'no' } as const;
    expect(recordAttempt({ secrets: [], body: null }, null, result, times)).toMatchObject({
      request: null,
      error: 'template',
      detail: 'no',
    });
  });

  it.each([
    ['text', [Buffer.from('päc'), Buffer.from('k')], false, { body: 'päck', encoding: 'utf8' }],
    ['bytes', [Buffer.from([0xff, 0xfe])], false, { body: '//4=', encoding: 'base64' }],
    ['a character cut at the bound', [Buffer.from([0x61, 0xc3])], true, { body: 'a', isTruncated: true }],
    ['nothing', [], false, { body: '', isTruncated: false }],
  ])('holds a body of %s', (_, chunks, isTruncated, expected) => {
    expect(receivedResponse({}, chunks, isTruncated)).toMatchObject(expected);
  });

  it('masks cookies of a response and keeps what is many', () => {
    const headers = { 'set-cookie': ['a=1', 'b=2'], via: 'x' };
    expect(receivedResponse(headers, [], false).headers).toEqual([
      ['set-cookie', '[secret]'],
      ['set-cookie', '[secret]'],
      ['via', 'x'],
    ]);
  });
});
