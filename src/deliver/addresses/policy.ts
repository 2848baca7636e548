/**
 * Where requests may go. Pure: one question about one address that is about to be dialled.
 *
 * `internal` refuses loopback, link-local and special addresses and lets private networks pass; `strict`
 * lets only public ones pass; `off` all. `allow` lifts the policy for what it names. Cloud metadata and
 * walhook's own database and queue are refused whatever the policy and `allow` say.
 */
import { type AddressPolicy, type AddressRules, type Allowed, withoutDot } from '../../core/addressRules.ts';
import { type AddressKind, destinationOf, type Ip, isWithin, kindOf, parseIp } from '../../core/ip.ts';

export interface Dialled {
  /** The host of the URL, as the URL parser gives it: lower case, an IPv6 address in brackets. */
  readonly host: string;
  readonly port: number;
  readonly ip: Ip;
}

export interface Refusal {
  /** What was expected and found, for people. No row data: host and address are the definition's and DNS's. */
  readonly message: string;
  /** The setting that would allow it, or why none does. */
  readonly remedy: string;
}

/** What else is known of a Webhook and of walhook's own services. */
export interface DialContext {
  /** The loopback host that its author wrote into the configuration file; null without one. */
  readonly writtenLoopback: string | null;
  /** The setting that names the service at this address and port; null where there is none. */
  readonly ownService: string | null;
}

/** Names that lead to metadata services wherever they resolve. */
const METADATA_NAMES = new Set(['metadata.google.internal', 'metadata.goog', 'instance-data']);

/** Why an address may not be dialled; null when it may. */
export function refusalOf(rules: AddressRules, dialled: Dialled, context: DialContext): Refusal | null {
  const kind = kindOf(dialled.ip);
  if (context.ownService !== null) {
    return never(dialled, `where ${context.ownService} points to`, "walhook's own services");
  }
  if (kind === 'metadata') return never(dialled, 'a cloud metadata service', 'cloud metadata services');
  if (passes(rules.policy, kind) || isAllowed(rules.allow, dialled)) return null;
  if (context.writtenLoopback === dialled.host && kind === 'loopback') return null;
  return byPolicy(rules.policy, dialled.host, dialled.port, NAMES[kind]);
}

/**
 * What can be said of a host before it is resolved, or where a proxy resolves it: names of metadata services
 * and of this machine.
 */
export function nameRefusalOf(
  rules: AddressRules,
  host: string,
  port: number,
  writtenLoopback: string | null,
): Refusal | null {
  const name = withoutDot(host);
  if (METADATA_NAMES.has(name)) {
    return {
      message: `expected another host than ${host}, found the name of a cloud metadata service`,
      remedy: 'choose another url: requests never go to cloud metadata services',
    };
  }
  const isLocal = name === 'localhost' || name.endsWith('.localhost');
  if (!isLocal || rules.policy === 'off' || writtenLoopback === host) return null;
  if (isHostAllowed(rules.allow, name, port)) return null;
  return byPolicy(rules.policy, host, port, NAMES.loopback);
}

/** The host of a URL written in the configuration file, where it is this machine; else null. */
export function writtenLoopbackOf(origin: string | null): string | null {
  if (origin === null) return null;
  const { hostname } = new URL(origin);
  if (hostname === 'localhost') return hostname;
  const ip = parseIp(hostname);
  return ip !== null && kindOf(ip) === 'loopback' ? hostname : null;
}

function passes(policy: AddressPolicy, kind: AddressKind): boolean {
  return policy === 'off' || kind === 'public' || (policy === 'internal' && kind === 'private');
}

function isAllowed(allow: readonly Allowed[], { host, port, ip }: Dialled): boolean {
  const at = destinationOf(ip);
  return (
    isHostAllowed(allow, withoutDot(host), port) ||
    allow.some((entry) => 'network' in entry && isPort(entry, port) && isWithin(at, entry.network))
  );
}

function isHostAllowed(allow: readonly Allowed[], name: string, port: number): boolean {
  return allow.some((entry) => 'host' in entry && isPort(entry, port) && entry.host === name);
}

function isPort(entry: Allowed, port: number): boolean {
  return entry.port === null || entry.port === port;
}

const NAMES: Readonly<Record<AddressKind, string>> = {
  public: 'a public address',
  private: 'an address of a private network',
  loopback: 'an address of this machine',
  link_local: 'a link-local address',
  metadata: 'a cloud metadata service',
  special: 'an address of special purpose',
};

function byPolicy(policy: AddressPolicy, host: string, port: number, found: string): Refusal {
  const wanted = policy === 'strict' ? 'a public address' : 'a public address or one of a private network';
  return {
    message: `expected ${wanted} at ${host}:${port}, found ${found}`,
    remedy: `to allow it, add to the configuration: addresses: {allow: ["${host}:${port}"]}`,
  };
}

function never({ host, port }: Dialled, found: string, what: string): Refusal {
  return {
    message: `expected another place than ${host}:${port}, found ${found}`,
    remedy: `choose another url: requests never go to ${what}, and no setting allows it`,
  };
}
