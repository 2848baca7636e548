/**
 * Who may do what on the admin server: tokens, roles, accepted hosts and origins. Pure decisions; the server
 * asks them for every request.
 */
import { createHash, timingSafeEqual } from 'node:crypto';
import { type AdminConfig, type AdminRole, isLoopback } from '../config/adminSchema.ts';

/** What a route asks of its caller; `none` answers anyone. */
export type RouteRole = AdminRole | 'none';

export interface Identity {
  readonly name: string;
  readonly role: AdminRole;
  /** How it was shown. A loopback server without tokens takes everyone who reaches it for an admin. */
  readonly via: 'bearer' | 'session' | 'loopback';
}

export interface KnownToken {
  readonly name: string;
  readonly role: AdminRole;
  /** SHA-256 of the token, hex: what sessions remember of it. */
  readonly digest: string;
}

const RANK: Readonly<Record<AdminRole, number>> = { viewer: 0, operator: 1, admin: 2 };

export function isAllowed(role: AdminRole, needed: AdminRole): boolean {
  return RANK[role] >= RANK[needed];
}

export function knownTokens(tokens: AdminConfig['tokens']): KnownToken[] {
  return tokens.map(({ name, role, token }) => ({
    name,
    role,
    digest: sha256(token.reveal()).toString('hex'),
  }));
}

/** The token presented among those known, in the same time whether and whichever it is. */
export function findToken(known: readonly KnownToken[], presented: string): KnownToken | null {
  const digest = sha256(presented);
  let found: KnownToken | null = null;
  for (const token of known) {
    if (timingSafeEqual(Buffer.from(token.digest, 'hex'), digest) && found === null) found = token;
  }
  return found;
}

/** The token of an Authorization header; null when it is not a Bearer header. */
export function bearerOf(header: string | undefined): string | null {
  return /^Bearer +(\S+) *$/i.exec(header ?? '')?.[1] ?? null;
}

function sha256(text: string): Buffer {
  return createHash('sha256').update(text, 'utf8').digest();
}

/**
 * Whether a request's Host is one this server answers for. A page of another site that resolves its own name
 * to this server (DNS rebinding) sends that name, and is refused.
 *
 * @param localAddress of the socket: the listen address where it is a wildcard
 */
export function isHostAccepted(
  header: string | undefined,
  { listen, hosts }: Pick<AdminConfig, 'listen' | 'hosts'>,
  localAddress: string | undefined,
): boolean {
  const host = splitHost(header ?? '');
  if (host === null) return false;
  const { name } = host;
  if (name === listen.host || isLoopback(name)) return true;
  if (WILDCARDS.has(listen.host) && name === (localAddress ?? '').replace(/^::ffff:/, '')) return true;
  return hosts.some((text) => {
    const accepted = splitHost(text);
    return accepted?.name === name && (accepted.port === null || accepted.port === host.port);
  });
}

const WILDCARDS = new Set(['0.0.0.0', '::']);

/** `[::1]:8080` → name and port, lower case. */
function splitHost(text: string): { name: string; port: string | null } | null {
  const match = /^(?:\[([0-9a-fA-F:.]+)\]|([^:[\]/@\s]+))(?::(\d{1,5}))?$/.exec(text);
  if (match === null) return null;
  return { name: (match[1] ?? match[2] ?? '').toLowerCase(), port: match[3] ?? null };
}

/** Whether an unsafe request comes from a page of this very server, or from no page at all. */
export function isSameOrigin(headers: {
  readonly origin?: string | undefined;
  readonly host?: string | undefined;
  readonly 'sec-fetch-site'?: string | undefined;
}): boolean {
  const site = headers['sec-fetch-site'];
  if (site !== undefined && site !== 'same-origin' && site !== 'none') return false;
  const { origin } = headers;
  if (origin === undefined) return true;
  return URL.canParse(origin) && new URL(origin).host === (headers.host ?? '').toLowerCase();
}

/** A place to go to after the login: a path of this server, nothing that leads elsewhere. */
export function safeNext(next: unknown): string {
  return typeof next === 'string' && /^\/(?![/\\])[^\s\\]*$/.test(next) ? next : '/';
}
