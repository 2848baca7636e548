import { describe, expect, it } from 'vitest';
import { Secret } from '../../src/core/secret.ts';
import { standardSignature } from '../../src/deliver/sign.ts';
import { SeenIds, type VerifyOptions, verifyWebhook } from '../../src/verify/verify.ts';

const BODY = '{"text":"é 🐘"}';
const NOW = 1_700_000_000;
const SECRET = 'whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw';

function signed(secrets: readonly string[], more: Partial<VerifyOptions> = {}): VerifyOptions {
  const signature = standardSignature(
    secrets.map((one) => new Secret(one)),
    'id-1',
    NOW,
    Buffer.from(BODY),
  );
  return {
    headers: { 'webhook-id': 'id-1', 'webhook-timestamp': String(NOW), 'webhook-signature': signature },
    body: BODY,
    secret: SECRET,
    nowSeconds: NOW,
    ...more,
  };
}
const without = (name: string): VerifyOptions => {
  const options = signed([SECRET]);
  return { ...options, headers: { ...options.headers, [name]: undefined } };
};

describe('a request from walhook', () => {
  it.each<[string, VerifyOptions]>([
    ['signed with the secret', signed([SECRET])],
    ['as bytes', signed([SECRET], { body: Buffer.from(BODY) })],
    ['signed with a secret of plain text', signed(['pä🐘'], { secret: 'pä🐘' })],
    ['signed with two secrets, of which one is known', signed(['new', SECRET])],
    ['signed with one of two that are known', signed([SECRET], { secret: ['new', SECRET] })],
    ['a little early', signed([SECRET], { nowSeconds: NOW - 300 })],
    ['a little late', signed([SECRET], { nowSeconds: NOW + 300 })],
  ])('is verified: %s', (_what, options) => {
    expect(verifyWebhook(options)).toEqual({ id: 'id-1', timestamp: new Date(NOW * 1_000) });
  });

  it('is verified with the headers of fetch', () => {
    const options = signed([SECRET]);
    const headers = new Headers(options.headers as Record<string, string>);
    expect(verifyWebhook({ ...options, headers }).id).toBe('id-1');
  });

  it.each<[string, VerifyOptions, string]>([
    ['another body', signed([SECRET], { body: BODY.replace('é', 'e') }), 'no_match'],
    ['another secret', signed(['other']), 'no_match'],
    ['no secret at all', signed([SECRET], { secret: [] }), 'no_match'],
    ['too old', signed([SECRET], { nowSeconds: NOW + 301 }), 'too_old'],
    ['from the future', signed([SECRET], { nowSeconds: NOW - 301 }), 'too_new'],
    ['without an id', without('webhook-id'), 'missing_header'],
    ['without a time', without('webhook-timestamp'), 'missing_header'],
    ['without a signature', without('webhook-signature'), 'missing_header'],
    [
      'with a time that is none',
      signed([SECRET], { headers: { ...signed([SECRET]).headers, 'webhook-timestamp': '1e9' } }),
      'bad_timestamp',
    ],
    [
      'with a signature of another version',
      signed([SECRET], { headers: { ...signed([SECRET]).headers, 'webhook-signature': 'v2,AAAA v1a,BB' } }),
      'no_match',
    ],
  ])('is refused: %s', (_what, options, reason) => {
    expect(() => verifyWebhook(options)).toThrow(expect.objectContaining({ reason }));
  });
});

describe('ids that were seen', () => {
  it('are new once, and again when they are forgotten', () => {
    const seen = new SeenIds();
    expect([seen.isNew('a'), seen.isNew('a'), seen.isNew('b')]).toEqual([true, false, true]);
    seen.forget('a');
    expect(seen.isNew('a')).toBe(true);
  });

  it('are bounded: the oldest go first', () => {
    const seen = new SeenIds(2);
    for (const id of ['a', 'b', 'c']) seen.isNew(id);
    expect([seen.isNew('b'), seen.isNew('c'), seen.isNew('a')]).toEqual([false, false, true]);
  });
});
