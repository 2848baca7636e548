import { createHmac } from 'node:crypto';
import { readFileSync } from 'node:fs';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Secret } from '../../src/core/secret.ts';
import { netboxSignature, signatureHeaders, standardSignature } from '../../src/deliver/sign.ts';

interface Vector {
  readonly secret: string;
  readonly id: string;
  readonly timestamp: string;
  readonly body: string;
  readonly signature: string;
}

const vectors = (
  JSON.parse(readFileSync(new URL('../conformance/standardWebhooks.json', import.meta.url), 'utf8')) as {
    cases: readonly Vector[];
  }
).cases;

const secrets = (...texts: readonly string[]) => texts.map((text) => new Secret(text));
const BODY = Buffer.from('{"a":"é"}', 'utf8');

describe('webhook-signature', () => {
  it.each(vectors)('is that of the specification for $id', ({ secret, id, timestamp, body, signature }) => {
    expect(standardSignature(secrets(secret), id, Number(timestamp), Buffer.from(body))).toBe(signature);
  });

  it('has one entry for each secret, in their order', () => {
    const [vector] = vectors;
    if (vector === undefined) throw new Error('no vectors');
    const { id, timestamp, body, signature, secret } = vector;
    const both = standardSignature(secrets(secret, 'plain'), id, Number(timestamp), Buffer.from(body)).split(
      ' ',
    );
    expect(both[0]).toBe(signature);
    expect(both[1]).toBe(
      `v1,${createHmac('sha256', Buffer.from('plain')).update(`${id}.${timestamp}.${body}`).digest('base64')}`,
    );
  });

  it('is keyed with the UTF-8 of a secret without whsec_', () => {
    const expected = createHmac('sha256', Buffer.from('pä🐘', 'utf8'))
      .update('i.1.')
      .update(BODY)
      .digest('base64');
    expect(standardSignature(secrets('pä🐘'), 'i', 1, BODY)).toBe(`v1,${expected}`);
  });

  it('is over the exact bytes of the body', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 50 }), fc.string({ minLength: 1 }), (bytes, secret) => {
        const body = Buffer.from(bytes);
        const message = Buffer.concat([Buffer.from('id.5.'), body]);
        const key = secret.startsWith('whsec_')
          ? Buffer.from(secret.slice(6), 'base64')
          : Buffer.from(secret);
        expect(standardSignature(secrets(secret), 'id', 5, body)).toBe(
          `v1,${createHmac('sha256', key).update(message).digest('base64')}`,
        );
      }),
    );
  });
});

describe('X-Hook-Signature', () => {
  it('is the hex HMAC-SHA512 of the body alone, keyed with the text of the secret', () => {
    // As `hmac.new(b"secret", b'{"a": 1}', hashlib.sha512).hexdigest()` prints it.
    expect(netboxSignature(new Secret('secret'), Buffer.from('{"a": 1}'))).toBe(
      createHmac('sha512', 'secret').update('{"a": 1}').digest('hex'),
    );
    expect(netboxSignature(new Secret('whsec_c2VjcmV0'), BODY)).toBe(
      createHmac('sha512', 'whsec_c2VjcmV0').update(BODY).digest('hex'),
    );
    expect(netboxSignature(new Secret('x'), BODY)).toMatch(/^[0-9a-f]{128}$/);
  });

  // RFC 4231, test case 2.
  it('agrees with a published vector', () => {
    expect(netboxSignature(new Secret('Jefe'), Buffer.from('what do ya want for nothing?'))).toBe(
      '164b7a7bfcf819e2e395fbe73b56e0a387bd64222e831fd610270cd7ea2505549758bf75c05a994a6d034f65f8f0e6fdcaeab1a34d4a6b4b636e070a38bce737',
    );
  });
});

describe('the signature headers', () => {
  it.each([
    ['netbox', ['X-Hook-Signature']],
    ['standard', ['webhook-signature']],
    ['both', ['X-Hook-Signature', 'webhook-signature']],
  ] as const)('of %s: %j', (kind, names) => {
    const headers = signatureHeaders(kind, secrets('new', 'old'), 'id', 1, BODY);
    expect(headers.map(([name]) => name)).toEqual(names);
    const netbox = headers.find(([name]) => name === 'X-Hook-Signature');
    if (netbox !== undefined) expect(netbox[1]).toBe(netboxSignature(new Secret('new'), BODY));
  });

  it.each(['netbox', 'standard', 'both'] as const)('are none without a secret: %s', (kind) => {
    expect(signatureHeaders(kind, [], 'id', 1, BODY)).toEqual([]);
  });
});
