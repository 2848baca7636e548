/**
 * IP addresses as numbers, and what kind of place an address is.
 *
 * The kinds follow the IANA special-purpose registries (RFC 6890 and its updates). An IPv6 address that
 * carries an IPv4 address is judged by what it carries where a gateway would deliver it there (v4-mapped,
 * NAT64), and is never public where it only might be (6to4, Teredo, ISATAP, v4-compatible).
 */
import { isIPv4, isIPv6 } from 'node:net';

export interface Ip {
  readonly family: 4 | 6;
  /** 32 or 128 bits. */
  readonly value: bigint;
}

export interface Network {
  readonly family: 4 | 6;
  /** The address with its host bits zero. */
  readonly value: bigint;
  readonly prefix: number;
}

/** Where an address leads. `special`: nowhere a webhook could go (multicast, documentation, reserved…). */
export type AddressKind = 'public' | 'private' | 'loopback' | 'link_local' | 'metadata' | 'special';

/** Reads an address, in brackets and with a zone or without. null when it is none. */
export function parseIp(text: string): Ip | null {
  const bare = text.replace(/^\[(.*)\]$/, '$1').replace(/%.*$/, '');
  if (isIPv4(bare)) return { family: 4, value: v4Value(bare) };
  return isIPv6(bare) ? { family: 6, value: v6Value(bare) } : null;
}

/** Reads `10.0.0.0/8` or a single address. null when it is neither. */
export function parseNetwork(text: string): Network | null {
  const [address = '', length, ...rest] = text.split('/');
  const ip = parseIp(address);
  if (ip === null || rest.length > 0) return null;
  const bits = widthOf(ip.family);
  const prefix = length === undefined ? bits : /^\d{1,3}$/.test(length) ? Number(length) : -1;
  if (prefix < 0 || prefix > bits) return null;
  const host = BigInt(bits - prefix);
  return { family: ip.family, value: (ip.value >> host) << host, prefix };
}

export function isWithin(ip: Ip, network: Network): boolean {
  const host = BigInt(widthOf(network.family) - network.prefix);
  return ip.family === network.family && ip.value >> host === network.value >> host;
}

/** The IPv4 address where an IPv6 address is only another spelling of one (v4-mapped); else the address. */
function unmapped(ip: Ip): Ip {
  return isWithin(ip, MAPPED) ? lowV4(ip.value) : ip;
}

/** The address that a packet ends at: v4-mapped is unmapped, NAT64's well-known prefix translated. */
export function destinationOf(ip: Ip): Ip {
  return isWithin(ip, NAT64) ? lowV4(ip.value) : unmapped(ip);
}

/** What kind of place an address is. */
export function kindOf(ip: Ip): AddressKind {
  const at = destinationOf(ip);
  if (METADATA.some((network) => isWithin(at, network))) return 'metadata';
  if (at.family === 4) return listed(at, V4_KINDS) ?? 'public';
  if (embedded(at).some((inner) => kindOf(inner) === 'metadata')) return 'metadata';
  return listed(at, V6_KINDS) ?? (isWithin(at, GLOBAL_UNICAST) && !isIsatap(at) ? 'public' : 'special');
}

/** The IPv4 addresses that an IPv6 address may carry. */
function embedded(ip: Ip): Ip[] {
  const low = lowV4(ip.value);
  const found: Ip[] = [];
  if (isWithin(ip, COMPATIBLE) || isWithin(ip, TRANSLATED) || isWithin(ip, LOCAL_NAT64)) found.push(low);
  if (isWithin(ip, SIX_TO_FOUR)) found.push(lowV4(ip.value >> 80n));
  if (isWithin(ip, TEREDO)) found.push(lowV4(ip.value >> 64n), lowV4(~ip.value));
  if (isIsatap(ip)) found.push(low);
  return found;
}

/** RFC 5214: `…:0:5efe:a.b.c.d` or `…:200:5efe:a.b.c.d`. */
function isIsatap(ip: Ip): boolean {
  const identifier = (ip.value >> 32n) & 0xffff_ffffn;
  return identifier === 0x0000_5efen || identifier === 0x0200_5efen;
}

function listed(ip: Ip, lists: KindLists): AddressKind | null {
  return lists.find(([, networks]) => networks.some((network) => isWithin(ip, network)))?.[0] ?? null;
}

function widthOf(family: 4 | 6): number {
  return family === 4 ? 32 : 128;
}

function lowV4(value: bigint): Ip {
  return { family: 4, value: BigInt.asUintN(32, value) };
}

function v4Value(text: string): bigint {
  return text.split('.').reduce((value, part) => (value << 8n) | BigInt(part), 0n);
}

function v6Value(text: string): bigint {
  const dotted = /[^:]*\.[^:]*$/.exec(text)?.[0];
  const hex = dotted === undefined ? text : text.slice(0, -dotted.length) + dottedAsHex(dotted);
  const [head = '', tail] = hex.split('::');
  const left = head === '' ? [] : head.split(':');
  const right = tail === undefined || tail === '' ? [] : tail.split(':');
  const groups = [...left, ...Array.from({ length: 8 - left.length - right.length }, () => '0'), ...right];
  return groups.reduce((value, group) => (value << 16n) | BigInt(`0x${group}`), 0n);
}

function dottedAsHex(dotted: string): string {
  const value = v4Value(dotted);
  return `${(value >> 16n).toString(16)}:${(value & 0xffffn).toString(16)}`;
}

type KindLists = readonly (readonly [AddressKind, readonly Network[]])[];

function network(text: string): Network {
  const parsed = parseNetwork(text);
  if (parsed === null) throw new RangeError(`not a network: ${text}`);
  return parsed;
}

const MAPPED = network('::ffff:0:0/96');
const NAT64 = network('64:ff9b::/96');
const LOCAL_NAT64 = network('64:ff9b:1::/48');
const COMPATIBLE = network('::/96');
const TRANSLATED = network('::ffff:0:0:0/96');
const SIX_TO_FOUR = network('2002::/16');
const TEREDO = network('2001::/32');
const GLOBAL_UNICAST = network('2000::/3');

/** Where cloud providers hand credentials to whoever asks from inside. */
const METADATA = [
  '169.254.169.254', // AWS, Google, Azure, DigitalOcean, OpenStack…
  '169.254.170.2', // AWS ECS
  '169.254.170.23', // AWS EKS
  '169.254.42.42', // Scaleway
  '100.100.100.200', // Alibaba
  '192.0.0.192', // Oracle
  '168.63.129.16', // Azure's wire server
  'fd00:ec2::254', // AWS
  'fd00:ec2::23', // AWS EKS
  'fd20:ce::254', // Google
  'fe80::a9fe:a9fe', // OpenStack
].map(network);

const V4_KINDS: KindLists = [
  ['loopback', ['127.0.0.0/8'].map(network)],
  ['private', ['10.0.0.0/8', '172.16.0.0/12', '192.168.0.0/16'].map(network)],
  ['link_local', ['169.254.0.0/16'].map(network)],
  [
    'special',
    [
      '0.0.0.0/8',
      '100.64.0.0/10',
      '192.0.0.0/24',
      '192.0.2.0/24',
      '192.88.99.0/24',
      '198.18.0.0/15',
      '198.51.100.0/24',
      '203.0.113.0/24',
      '224.0.0.0/4',
      '240.0.0.0/4',
    ].map(network),
  ],
];

const V6_KINDS: KindLists = [
  ['loopback', ['::1'].map(network)],
  ['private', ['fc00::/7'].map(network)],
  ['link_local', ['fe80::/10'].map(network)],
  ['special', ['2001::/23', '2001:db8::/32', '2002::/16', '3fff::/20'].map(network)],
];
