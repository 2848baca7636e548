/** Every address that a request must not reach, and its neighbours that it must. */
import { describe, expect, it } from 'vitest';
import { type AddressPolicy, parseAllowed } from '../../../src/core/addressRules.ts';
import { type AddressKind, kindOf, parseIp } from '../../../src/core/ip.ts';
import { nameRefusalOf, refusalOf, writtenLoopbackOf } from '../../../src/deliver/addresses/policy.ts';

/** Address, and what kind of place it is. */
const ADDRESSES: readonly [string, AddressKind][] = [
  // Loopback, in every spelling that the URL parser leaves.
  ['127.0.0.1', 'loopback'],
  ['127.0.0.2', 'loopback'],
  ['127.255.255.255', 'loopback'],
  ['126.255.255.255', 'public'],
  ['128.0.0.0', 'public'],
  ['::1', 'loopback'],
  ['0:0:0:0:0:0:0:1', 'loopback'],
  ['::ffff:127.0.0.1', 'loopback'],
  ['::ffff:7f00:1', 'loopback'],
  ['64:ff9b::7f00:1', 'loopback'],
  ['64:ff9b::127.0.0.1', 'loopback'],
  // Nowhere.
  ['0.0.0.0', 'special'],
  ['0.255.255.255', 'special'],
  ['1.0.0.0', 'public'],
  ['::', 'special'],
  ['::2', 'special'],
  ['::7f00:1', 'special'],
  ['::8.8.8.8', 'special'],
  ['::ffff:0:7f00:1', 'special'],
  ['64:ff9b:1::a00:1', 'special'],
  ['2002:7f00:1::1', 'special'],
  ['2002:808:808::1', 'special'],
  ['2001:0:4136:e378:8000:63bf:3fff:fdd2', 'special'],
  ['2001:1ff:ffff::1', 'special'],
  ['2001:200::1', 'public'],
  ['::5efe:7f00:1', 'special'],
  ['2a00::5efe:7f00:1', 'special'],
  ['2a00::200:5efe:10.0.0.1', 'special'],
  ['fec0::1', 'special'],
  ['ff02::1', 'special'],
  ['100::1', 'special'],
  ['5f00::1', 'special'],
  ['2001:db8::1', 'special'],
  ['2001:db7:ffff::1', 'public'],
  ['3fff:fff::1', 'special'],
  ['3ffe::1', 'public'],
  ['4000::1', 'special'],
  ['1fff::1', 'special'],
  ['100.64.0.1', 'special'],
  ['100.63.255.255', 'public'],
  ['100.127.255.255', 'special'],
  ['100.128.0.1', 'public'],
  ['192.0.0.1', 'special'],
  ['192.0.1.1', 'public'],
  ['192.0.2.1', 'special'],
  ['192.88.99.1', 'special'],
  ['198.17.255.255', 'public'],
  ['198.18.0.1', 'special'],
  ['198.19.255.255', 'special'],
  ['198.20.0.0', 'public'],
  ['198.51.100.1', 'special'],
  ['203.0.113.1', 'special'],
  ['223.255.255.255', 'public'],
  ['224.0.0.1', 'special'],
  ['240.0.0.1', 'special'],
  ['255.255.255.255', 'special'],
  // Link-local.
  ['169.254.0.1', 'link_local'],
  ['169.253.255.255', 'public'],
  ['169.255.0.0', 'public'],
  ['fe80::1', 'link_local'],
  ['fe80::1%eth0', 'link_local'],
  ['[fe80::1%25eth0]', 'link_local'],
  ['febf:ffff::1', 'link_local'],
  ['fec0::', 'special'],
  // Private networks.
  ['10.0.0.1', 'private'],
  ['9.255.255.255', 'public'],
  ['11.0.0.1', 'public'],
  ['172.15.0.1', 'public'],
  ['172.16.0.1', 'private'],
  ['172.31.255.255', 'private'],
  ['172.32.0.1', 'public'],
  ['192.167.255.255', 'public'],
  ['192.168.0.1', 'private'],
  ['192.169.0.0', 'public'],
  ['::ffff:10.0.0.1', 'private'],
  ['64:ff9b::10.0.0.1', 'private'],
  ['fc00::1', 'private'],
  ['fdff::1', 'private'],
  // Metadata services, also through everything that carries their addresses.
  ['169.254.169.254', 'metadata'],
  ['169.254.170.2', 'metadata'],
  ['169.254.170.23', 'metadata'],
  ['100.100.100.200', 'metadata'],
  ['192.0.0.192', 'metadata'],
  ['168.63.129.16', 'metadata'],
  ['168.63.129.17', 'public'],
  ['fd00:ec2::254', 'metadata'],
  ['fd20:ce::254', 'metadata'],
  ['::ffff:169.254.169.254', 'metadata'],
  ['64:ff9b::a9fe:a9fe', 'metadata'],
  ['64:ff9b:1::a9fe:a9fe', 'metadata'],
  ['::a9fe:a9fe', 'metadata'],
  ['::ffff:0:169.254.169.254', 'metadata'],
  ['2002:a9fe:a9fe::1', 'metadata'],
  ['2001:0:a9fe:a9fe::1', 'metadata'],
  ['2001:0:1:1::5601:5601', 'metadata'],
  ['fe80::5efe:169.254.169.254', 'metadata'],
  // Public.
  ['8.8.8.8', 'public'],
  ['1.1.1.1', 'public'],
  ['::ffff:8.8.8.8', 'public'],
  ['64:ff9b::8.8.8.8', 'public'],
  ['2606:4700::1111', 'public'],
  ['2a00:1450:4001:81b::200e', 'public'],
];

const PASSING: Readonly<Record<AddressPolicy, readonly AddressKind[]>> = {
  strict: ['public'],
  internal: ['public', 'private'],
  off: ['public', 'private', 'loopback', 'link_local', 'special'],
};

const ip = (text: string) => {
  const parsed = parseIp(text);
  if (parsed === null) throw new Error(`no address: ${text}`);
  return parsed;
};
const NOTHING = { writtenLoopback: null, ownService: null };

function refusal(
  policy: AddressPolicy,
  address: string,
  { host = 'name.example', port = 80, allow = [] as string[], context = NOTHING as object } = {},
) {
  const rules = { policy, allow: allow.map((text) => parseAllowed(text) ?? expect.fail(text)) };
  return refusalOf(rules, { host, port, ip: ip(address) }, { ...NOTHING, ...context });
}

describe('an address', () => {
  it.each(ADDRESSES)('%s is %s', (text, kind) => {
    expect(kindOf(ip(text))).toBe(kind);
  });

  it.each(
    (['strict', 'internal', 'off'] as const).flatMap((policy) =>
      ADDRESSES.map(([text, kind]) => [policy, text, PASSING[policy].includes(kind)] as const),
    ),
  )('under %s: %s passes: %s', (policy, text, isPassing) => {
    expect(refusal(policy, text) === null).toBe(isPassing);
  });

  it.each([
    '',
    'x',
    '1.2.3',
    '1.2.3.4.5',
    '256.1.1.1',
    '01.2.3.4',
    ':::',
    '1::2::3',
    '::1/64',
  ])('%j is none', (text) => {
    expect(parseIp(text)).toBeNull();
  });
});

describe('a spelling that the URL parser knows', () => {
  it.each([
    '127.1',
    '2130706433',
    '0x7f000001',
    '0x7f.1',
    '0177.0.0.1',
    '017700000001',
    '①②⑦.0.0.1',
    '[::1]',
    '[0:0:0:0:0:0:0:1]',
    '[::ffff:127.0.0.1]',
  ])('http://%s/ is this machine', (host) => {
    const address = ip(new URL(`http://${host}/`).hostname);
    expect(kindOf(address)).toBe('loopback');
  });
});

describe('allow', () => {
  it.each<[string, string, object, boolean]>([
    ['10.0.0.0/8', '10.1.2.3', {}, true],
    ['10.0.0.0/8', '11.1.2.3', {}, true],
    ['127.0.0.1', '127.0.0.1', {}, true],
    ['127.0.0.1', '127.0.0.2', {}, false],
    ['127.0.0.0/8', '::ffff:127.9.9.9', {}, true],
    ['127.0.0.1:9000', '127.0.0.1', { port: 9000 }, true],
    ['127.0.0.1:9000', '127.0.0.1', { port: 9001 }, false],
    ['[::1]:9000', '::1', { port: 9000 }, true],
    ['::1', '::1', { port: 1 }, true],
    ['fe80::/10', 'fe80::1%eth0', {}, true],
    ['100.64.0.0/10', '100.64.1.1', {}, true],
    ['localhost:9000', '127.0.0.1', { host: 'localhost', port: 9000 }, true],
    ['localhost:9000', '127.0.0.1', { host: 'localhost', port: 9001 }, false],
    ['localhost', '127.0.0.1', { host: 'localhost.', port: 9001 }, true],
    ['Sidecar.internal', '127.0.0.1', { host: 'sidecar.internal' }, true],
    ['sidecar.internal', '127.0.0.1', { host: 'evil.sidecar.internal' }, false],
    // What no setting allows.
    ['169.254.0.0/16', '169.254.169.254', {}, false],
    ['metadata.example', '169.254.169.254', { host: 'metadata.example' }, false],
    ['0.0.0.0/0', '100.100.100.200', {}, false],
    ['127.0.0.1', '127.0.0.1', { context: { ownService: 'queue.url' } }, false],
  ])('%s lets %s pass (%j): %s', (allow, address, more, isPassing) => {
    expect(refusal('internal', address, { ...more, allow: [allow] }) === null).toBe(isPassing);
  });

  it.each([
    '',
    '10.0.0.0/33',
    '::/129',
    'a b',
    'http://h/',
    'h:0',
    'h:65536',
    '*',
    '1.2.3',
    'h:80:80',
  ])('%j is no entry', (text) => {
    expect(parseAllowed(text)).toBeNull();
  });
});

describe('a loopback host written in the configuration file', () => {
  it.each<[string, string | null]>([
    ['http://localhost:9000', 'localhost'],
    ['http://LOCALHOST', 'localhost'],
    ['http://127.0.0.1:9000', '127.0.0.1'],
    ['http://127.1', '127.0.0.1'],
    ['http://[::1]:9000', '[::1]'],
    ['http://foo.localhost', null],
    ['http://0.0.0.0', null],
    ['http://10.0.0.1', null],
    ['http://localhost.example', null],
  ])('%s: %s', (origin, host) => {
    expect(writtenLoopbackOf(origin)).toBe(host);
  });

  it('is allowed for itself alone, as long as it leads to this machine', () => {
    const context = { writtenLoopback: 'localhost' };
    expect(refusal('internal', '127.0.0.1', { host: 'localhost', context })).toBeNull();
    expect(refusal('strict', '::1', { host: 'localhost', context })).toBeNull();
    expect(refusal('internal', '127.0.0.1', { host: 'other', context })).not.toBeNull();
    expect(refusal('internal', '169.254.1.1', { host: 'localhost', context })).not.toBeNull();
  });
});

describe('a refusal', () => {
  it('names the line to add', () => {
    expect(refusal('internal', '127.0.0.1', { host: 'side.car', port: 9000 })).toEqual({
      message:
        'expected a public address or one of a private network at side.car:9000, found an address of this machine',
      remedy: 'to allow it, add to the configuration: addresses: {allow: ["side.car:9000"]}',
    });
  });

  it.each(['side.car', '127.0.0.1', '[::1]', 'localhost.'])('names a line for %s that helps', (host) => {
    const found = refusal('strict', host === '[::1]' ? '::1' : '127.0.0.1', { host, port: 9000 });
    const allow = /allow: \["(.*)"\]/.exec(found?.remedy ?? '')?.[1] ?? '';
    const address = host === '[::1]' ? '::1' : '127.0.0.1';
    expect(refusal('strict', address, { host, port: 9000, allow: [allow] })).toBeNull();
  });

  it('says of metadata and own services that no setting allows them', () => {
    for (const context of [NOTHING, { ownService: 'queue.url' }]) {
      const found = refusal('off', '169.254.169.254', { context });
      expect(found?.remedy).toContain('no setting allows it');
    }
  });
});

describe('a name, before it is resolved', () => {
  it.each<[AddressPolicy, string, boolean]>([
    ['off', 'metadata.google.internal', false],
    ['off', 'metadata.google.internal.', false],
    ['internal', 'localhost', false],
    ['internal', 'localhost.', false],
    ['internal', 'foo.localhost', false],
    ['off', 'localhost', true],
    ['strict', 'example.com', true],
    ['strict', 'localhost.example.com', true],
  ])('under %s: %s passes: %s', (policy, host, isPassing) => {
    expect(nameRefusalOf({ policy, allow: [] }, host, 80, null) === null).toBe(isPassing);
  });
});
