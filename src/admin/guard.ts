/**
 * What every request passes before its route: the Host, who asks, whether their role may, and that no other
 * site made them ask. A route that does not say its role cannot be added.
 */

import { randomBytes } from 'node:crypto';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { WalhookError } from '../core/errors.ts';
import {
  bearerOf,
  findToken,
  type Identity,
  isAllowed,
  isHostAccepted,
  isSameOrigin,
  knownTokens,
  type RouteRole,
} from './access.ts';
import { type AdminHost, adminConfig } from './host.ts';
import { InFlight, type WrongTokens } from './limits.ts';
import { isSameSecret, type Session, type Sessions } from './sessions.ts';

declare module 'fastify' {
  interface FastifyContextConfig {
    role?: RouteRole;
    /** Probes are asked by address, whatever it is. */
    isAnyHost?: true;
  }
  interface FastifyRequest {
    /** null before the guard, and on routes that answer anyone. */
    identity: Identity | null;
    /** What forms and scripts of the answer must send back. */
    csrf: string;
    /** Ends what counts this request among those in flight. Repeatable. */
    endInFlight: (() => void) | null;
    isHandled: boolean;
  }
}

export const SESSION_COOKIE = 'walhook_session';
const UNSAFE = new Set(['POST', 'PUT', 'PATCH', 'DELETE']);

export interface RouteEntry {
  readonly method: string;
  readonly url: string;
  readonly role: RouteRole;
}

/** Installs the guard. Returns the table of routes, which fills as they are added. */
export function installGuard(
  server: FastifyInstance,
  host: AdminHost,
  sessions: Sessions,
  wrongTokens: WrongTokens,
): RouteEntry[] {
  const routes: RouteEntry[] = [];
  // Without tokens there is no session: one secret of this process stands for its pages.
  const openCsrf = randomBytes(24).toString('base64url');
  server.decorateRequest('identity', null);
  server.decorateRequest('csrf', '');
  server.addHook('onRoute', ({ method, url, config }) => {
    const role = config?.role;
    if (role === undefined) throw new Error(`the route ${String(method)} ${url} does not say its role`);
    for (const one of Array.isArray(method) ? method : [method]) {
      if (one !== 'HEAD') routes.push({ method: one, url, role });
    }
  });
  server.addHook('onRequest', async (request, reply) => {
    const { config } = request.routeOptions;
    const admin = adminConfig(host);
    if (
      config.isAnyHost !== true &&
      !isHostAccepted(request.headers.host, admin, request.socket.localAddress)
    ) {
      throw new WalhookError(
        'HOST_REFUSED',
        'expected the listen address, localhost or one of admin.hosts as Host',
      );
    }
    identify(request, host, sessions, openCsrf);
    refuseGuessing(request, reply, wrongTokens);
    // What is not found is told only to those who may read.
    authorize(request, config.role ?? 'viewer');
  });
  limitInFlight(server);
  server.addHook('preValidation', async (request) => {
    if (UNSAFE.has(request.method) && request.identity?.via !== 'bearer') refuseCrossSite(request);
  });
  return routes;
}

function identify(request: FastifyRequest, host: AdminHost, sessions: Sessions, openCsrf: string): void {
  const known = knownTokens(adminConfig(host).tokens);
  if (known.length === 0) {
    request.identity = { name: 'loopback', role: 'admin', via: 'loopback' };
    request.csrf = openCsrf;
    return;
  }
  const presented = bearerOf(request.headers.authorization);
  if (presented !== null) {
    const token = findToken(known, presented);
    request.identity = token === null ? null : { name: token.name, role: token.role, via: 'bearer' };
    return;
  }
  const session = sessionOf(request, sessions);
  const token = known.find(({ digest }) => digest === session?.tokenDigest);
  if (session === null || token === undefined) return;
  request.identity = { name: token.name, role: token.role, via: 'session' };
  request.csrf = session.csrf;
}

/** A Bearer token that is wrong, time and again from one address. Open routes have no use for a token. */
function refuseGuessing(request: FastifyRequest, reply: FastifyReply, wrongTokens: WrongTokens): void {
  if (request.identity !== null || request.routeOptions.config.role === 'none') return;
  if (bearerOf(request.headers.authorization) === null) return;
  refuseAfterMany(request, reply, wrongTokens);
}

/** Counts a wrong token. Throws RATE_LIMITED where its address has sent too many. */
export function refuseAfterMany(
  request: FastifyRequest,
  reply: FastifyReply,
  wrongTokens: WrongTokens,
): void {
  const seconds = wrongTokens.add(request.ip);
  if (seconds === 0) return;
  reply.header('retry-after', String(seconds));
  throw new WalhookError('RATE_LIMITED', 'expected fewer wrong tokens from this address');
}

/**
 * A request counts from when it is let in until its answer is made, even when nobody waits for that any more:
 * what it asked of the store goes on.
 */
function limitInFlight(server: FastifyInstance): void {
  const inFlight = new InFlight();
  server.decorateRequest('endInFlight', null);
  server.decorateRequest('isHandled', false);
  server.addHook('onRequest', async (request, reply) => {
    if (request.identity === null) return;
    const caller = `${request.identity.name} ${request.ip}`;
    if (!inFlight.begin(caller)) {
      throw new WalhookError('RATE_LIMITED', 'expected fewer requests at the same time');
    }
    let isOpen = true;
    request.endInFlight = () => {
      if (isOpen) inFlight.end(caller);
      isOpen = false;
    };
    reply.raw.on('close', () => {
      if (!request.isHandled) request.endInFlight?.();
    });
  });
  server.addHook('preHandler', async (request) => {
    request.isHandled = true;
  });
  server.addHook('onSend', async (request) => request.endInFlight?.());
}

function sessionOf(request: FastifyRequest, sessions: Sessions): Session | null {
  const id = request.cookies[SESSION_COOKIE];
  return id === undefined ? null : sessions.find(id);
}

function authorize(request: FastifyRequest, needed: RouteRole): void {
  if (needed === 'none') return;
  const { identity } = request;
  if (identity === null) {
    throw new WalhookError('UNAUTHORIZED', 'expected a token or a login, found none that is known');
  }
  if (!isAllowed(identity.role, needed)) {
    throw new WalhookError('FORBIDDEN', `expected the role ${needed} or higher, found ${identity.role}`);
  }
}

/**
 * A browser may be made to send a request by any page it shows. Its Origin tells; beyond that a login's
 * requests, and every form, repeat a secret that only our own pages hold. JSON without a login needs none:
 * no page of another site can send it without being asked about first.
 */
function refuseCrossSite(request: FastifyRequest): void {
  if (!isSameOrigin(request.headers)) {
    throw new WalhookError('CROSS_SITE', 'expected a request of this server, found one of another origin');
  }
  if (request.routeOptions.config.role === 'none') return;
  const isForm = (request.headers['content-type'] ?? '').startsWith('application/x-www-form-urlencoded');
  if (request.identity?.via !== 'session' && !isForm) return;
  const body = request.body as Readonly<Record<string, unknown>> | null | undefined;
  const sent = request.headers['x-csrf-token'] ?? body?.['_csrf'];
  if (typeof sent !== 'string' || !isSameSecret(sent, request.csrf)) {
    throw new WalhookError('CROSS_SITE', 'expected the CSRF token of this login, found another or none');
  }
}

/** One line for each act: who, what, on what. */
export function audit(
  host: Pick<AdminHost, 'log'>,
  request: FastifyRequest,
  action: string,
  fields: Readonly<Record<string, unknown>> = {},
): void {
  const { identity, ip } = request;
  host.log.info(
    { audit: true, by: identity?.name ?? null, role: identity?.role ?? null, ip, ...fields },
    `admin: ${action}`,
  );
}

/** Whether an answer is for a person: a page asked for by a browser. */
export function wantsHtml(request: FastifyRequest): boolean {
  const isPage = !/^\/(api|metrics|-|livez|readyz)(\/|$|\?)/.test(request.url);
  return isPage && (request.headers.accept ?? '').includes('text/html');
}
