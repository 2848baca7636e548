/**
 * Where a request is made to go, and what is dialled for it: every target of a forged request, over the whole
 * way from the URL's text to the socket. What is refused opens no socket at all.
 */
import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import { describe, expect, it } from 'vitest';
import { systemClock } from '../../../src/core/clock.ts';
import { OwnServices, type Resolve } from '../../../src/deliver/addresses/ownServices.ts';
import { checkHost } from '../../../src/deliver/connector.ts';
import { send } from '../../../src/deliver/http.ts';
import { parseRequestUrl } from '../../../src/deliver/url.ts';
import { openSink } from '../../helpers/sink.ts';
import { transportTo } from '../webhooks.ts';

const NEVER = new AbortController().signal;
const POLICIES = ['strict', 'internal'] as const;
type Policy = (typeof POLICIES)[number];

/** Hosts as people would write them, which no policy but `off` lets pass. */
const REFUSED = [
  // This machine.
  ...['127.0.0.1', '127.1', '127.0.0.2', '2130706433', '0x7f000001', '0x7f.1', '0177.0.0.1', '017700000001'],
  ...['0', '0.0.0.0', '①②⑦.0.0.1', 'localhost', 'localhost.', 'LOCALHOST', 'foo.localhost'],
  ...['[::1]', '[::]', '[0:0:0:0:0:0:0:1]', '[::ffff:127.0.0.1]', '[::ffff:7f00:1]', '[::7f00:1]'],
  ...['[::ffff:0:7f00:1]', '[64:ff9b::7f00:1]', '[64:ff9b:1::a00:1]', '[2002:7f00:1::1]', '[::5efe:7f00:1]'],
  '[2001:0:4136:e378:8000:63bf:3fff:fdd2]',
  // Link-local, and what leads nowhere.
  ...['[fe80::1]', '[fec0::1]', '[ff02::1]', '[100::1]', '[2001:db8::1]', '169.254.0.1'],
  ...['100.64.0.1', '198.18.0.1', '192.88.99.1', '224.0.0.1', '240.0.0.1', '255.255.255.255'],
  // Metadata.
  ...['169.254.169.254', '169.254.170.2', '100.100.100.200', '192.0.0.192', '168.63.129.16'],
  ...['[fd00:ec2::254]', '[::ffff:169.254.169.254]', '[64:ff9b::a9fe:a9fe]', 'metadata.google.internal'],
];
/** Private networks: `internal` lets them pass. */
const PRIVATE = [
  ...['10.0.0.1', '10.96.0.1', '172.16.0.1', '172.31.255.255', '192.168.0.1'],
  ...['[fc00::1]', '[fd12:3456::1]', '[::ffff:10.0.0.1]'],
];
/** Just outside of what is refused. */
const PUBLIC = [
  ...['8.8.8.8', '1.1.1.1', '[::ffff:8.8.8.8]', '172.15.0.1', '172.32.0.1', '100.63.255.255', '100.128.0.1'],
  ...['11.0.0.1', '9.255.255.255', '126.255.255.255', '128.0.0.1', '169.253.255.255', '169.255.0.1'],
  ...['192.167.255.255', '192.169.0.1', '198.17.255.255', '198.20.0.1', '223.255.255.255'],
  ...['[2606:4700::1111]', '[2001:200::1]', 'example.com', 'localhost.example.com', '3232235777.example.com'],
];

const guardOf = (policy: Policy, resolve: Resolve) => ({
  rules: { policy, allow: [] },
  own: new OwnServices(() => [], resolve, systemClock),
  resolve,
  writtenLoopback: null,
});

const unasked: Resolve = (host) => Promise.reject(new Error(`${host} was looked up`));

/** Sends one request, and counts the sockets that are opened for it. */
async function dialled(host: string, policy: Policy, resolve: Resolve) {
  const { origin } = parseRequestUrl(`http://${host}:9/`);
  let sockets = 0;
  const opened = () => {
    sockets += 1;
  };
  const transport = transportTo(origin, { ...guardOf(policy, resolve), timeoutMs: 2_000 });
  subscribe('net.client.socket', opened);
  try {
    const request = { method: 'POST', origin, path: '/', headers: [], body: Buffer.from('{}') } as const;
    return { result: await send(transport, request, 2_000, NEVER), sockets };
  } finally {
    unsubscribe('net.client.socket', opened);
    await transport.close();
  }
}

/** Whether the host as written is refused, without a look-up and without dialling. */
function isRefused(host: string, policy: Policy): boolean {
  const { hostname } = new URL(parseRequestUrl(`http://${host}/`).origin);
  try {
    checkHost(guardOf(policy, unasked), hostname, 80);
    return false;
  } catch (error) {
    expect(error).toMatchObject({ code: 'ADDRESS_REFUSED', remedy: expect.any(String) });
    return true;
  }
}

const by = (hosts: readonly string[], policies: readonly Policy[] = POLICIES) =>
  policies.flatMap((policy) => hosts.map((host) => [policy, host] as const));

describe('a URL', () => {
  it.each([
    ...by(REFUSED),
    ...by(PRIVATE, ['strict']),
  ])('under %s to http://%s opens no socket', async (policy, host) => {
    const { result, sockets } = await dialled(host, policy, unasked);
    expect(result).toMatchObject({ kind: 'unsendable', reason: 'address' });
    expect(sockets).toBe(0);
  });

  it('that is let pass opens one: the count above tells', async () => {
    await using sink = await openSink();
    const transport = transportTo(new URL(sink.url).origin);
    let sockets = 0;
    const opened = () => {
      sockets += 1;
    };
    subscribe('net.client.socket', opened);
    const { origin } = new URL(sink.url);
    await send(
      transport,
      { method: 'POST', origin, path: '/', headers: [], body: Buffer.alloc(0) },
      2_000,
      NEVER,
    );
    unsubscribe('net.client.socket', opened);
    await transport.close();
    expect(sockets).toBe(1);
  });

  it.each([...by(PUBLIC), ...by(PRIVATE, ['internal'])])('under %s to http://%s passes', (policy, host) => {
    expect(isRefused(host, policy)).toBe(false);
  });
});

describe('a name', () => {
  const bare = (host: string) => host.replaceAll(/[[\]]/g, '');
  const literal = (host: string) => {
    const { hostname } = new URL(`http://${host}/`);
    return bare(hostname);
  };
  const isAddress = (host: string) => /^[\d.]+$|:/.test(literal(host));

  it.each([
    ...by(REFUSED.filter(isAddress)),
    ...by(PRIVATE, ['strict']),
  ])('under %s that resolves to %s opens no socket, alone or among public ones', async (policy, host) => {
    for (const addresses of [[literal(host)], ['8.8.8.8', literal(host)], [literal(host), '8.8.8.8']]) {
      const answers = Promise.resolve(addresses.map((address) => ({ address })));
      const { result, sockets } = await dialled('hook.example', policy, () => answers);
      expect(result).toMatchObject({ kind: 'unsendable', reason: 'address' });
      // Node makes the socket before it asks for the address; it is never connected.
      expect(sockets).toBeLessThanOrEqual(1);
    }
  });

  it('with a refused address behind ten thousand others is refused', async () => {
    const many = Array.from({ length: 10_000 }, () => ({ address: '8.8.8.8' }));
    const answers = Promise.resolve([...many, { address: '127.0.0.1' }]);
    const { result } = await dialled('hook.example', 'internal', () => answers);
    expect(result).toMatchObject({ kind: 'unsendable', reason: 'address' });
  });

  it.each([
    'ENOTFOUND',
    'EAI_AGAIN',
    'EAI_FAIL',
    'ENODATA',
  ])('whose look-up ends in %s is a network error', async (code) => {
    const resolve = () => Promise.reject(Object.assign(new Error(code), { code }));
    expect((await dialled('hook.example', 'strict', resolve)).result).toEqual({ kind: 'network', code });
  });

  it('of a cluster’s own service is refused where it resolves to, under strict alone', async () => {
    const resolve: Resolve = () => Promise.resolve([{ address: '10.96.0.1' }]);
    const { result } = await dialled('kubernetes.default.svc', 'strict', resolve);
    expect(result).toMatchObject({ kind: 'unsendable', reason: 'address' });
    expect(isRefused('kubernetes.default.svc', 'internal')).toBe(false);
  });
});
