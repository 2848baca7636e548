/** The address policy as the configuration writes it: a policy and what it makes exceptions for. */
import { type Network, parseNetwork } from './ip.ts';

export const ADDRESS_POLICIES = ['internal', 'strict', 'off'] as const;
export type AddressPolicy = (typeof ADDRESS_POLICIES)[number];

/** One entry of `addresses.allow`. */
export type Allowed =
  | { readonly network: Network; readonly port: number | null }
  | { readonly host: string; readonly port: number | null };

export interface AddressRules {
  readonly policy: AddressPolicy;
  readonly allow: readonly Allowed[];
}

/** Reads an entry of `addresses.allow`: a network or host, with a port or without. null when it is none. */
export function parseAllowed(text: string): Allowed | null {
  const plain = parseNetwork(text);
  if (plain !== null) return { network: plain, port: null };
  const match = /^(.+?)(?::(\d{1,5}))?$/.exec(text.trim());
  if (match === null) return null;
  const port = match[2] === undefined ? null : Number(match[2]);
  if (port !== null && (port < 1 || port > 65_535)) return null;
  const network = parseNetwork(match[1] ?? '');
  if (network !== null) return { network, port };
  const host = withoutDot((match[1] ?? '').toLowerCase());
  return /^(?=.{1,253}$)[a-z0-9_-]{1,63}(\.[a-z0-9_-]{1,63})*$/.test(host) && !/^[\d.]+$/.test(host)
    ? { host, port }
    : null;
}

/** A host name as it is compared: a trailing dot says only that it is complete. */
export function withoutDot(host: string): string {
  return host.endsWith('.') ? host.slice(0, -1) : host;
}
