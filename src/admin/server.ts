/**
 * The admin server: pages at `/`, the API under `/api`, metrics, probes and reload, on one address. Every
 * route says which role it asks for; what is sent bears a strict content security policy.
 */
import cookie from '@fastify/cookie';
import formbody from '@fastify/formbody';
import helmet from '@fastify/helmet';
import swagger from '@fastify/swagger';
import Fastify, { type FastifyInstance, type FastifyReply, type FastifyRequest } from 'fastify';
import { isLoopback, type ListenAddress } from '../config/adminSchema.ts';
import { causeCode, toWalhookError, WalhookError } from '../core/errors.ts';
import { parseJson } from '../core/json.ts';
import { toAnswer } from './answers.ts';
import { addApiRoutes } from './api/routes.ts';
import { addAssets } from './assets.ts';
import { installGuard, type RouteEntry, wantsHtml } from './guard.ts';
import { type AdminHost, adminConfig } from './host.ts';
import { WrongTokens } from './limits.ts';
import { addLoginRoutes, loginPage } from './pages/login.ts';
import { errorPage } from './pages/problem.ts';
import { addPageRoutes } from './pages/routes.ts';
import { addProbeRoutes } from './probes.ts';
import { PROBLEM_TYPE, toProblem } from './problems.ts';
import { Sessions } from './sessions.ts';

export interface AdminServer {
  /** Where it listens, e.g. `http://127.0.0.1:8080`. */
  readonly url: string;
  /** Every route and the role it asks for. */
  readonly routes: readonly RouteEntry[];
  close(): Promise<void>;
}

/** A webhook's name has up to 150 characters, each of up to nine in a path. */
const MAX_PARAM_LENGTH = 1_500;
const MAX_BODY_BYTES = 5 * 1_048_576;
const REQUEST_TIMEOUT_MS = 30_000;
/** The process needs its other connections too. */
const MAX_CONNECTIONS = 1_000;

/** Starts the admin server. Throws ADMIN_UNPROTECTED or ADMIN_LISTEN. */
export async function openAdmin(host: AdminHost): Promise<AdminServer> {
  const { listen, tokens } = adminConfig(host);
  if (tokens.length === 0 && !isLoopback(listen.host)) {
    throw new WalhookError(
      'ADMIN_UNPROTECTED',
      `expected admin.tokens where admin.listen is not a loopback address, found none and ${listen.host}`,
    );
  }
  const server = newServer();
  await server.register(cookie);
  await server.register(formbody, { bodyLimit: MAX_BODY_BYTES });
  await server.register(helmet, SECURITY_HEADERS);
  await server.register(swagger, openApi(host.version));
  const sessions = new Sessions(host.clock);
  const wrongTokens = new WrongTokens(host.clock);
  const routes = installGuard(server, host, sessions, wrongTokens);
  answerErrors(server, host, routes);
  addProbeRoutes(server, host, { metricsRole: 'viewer' });
  addAssets(server);
  addLoginRoutes(server, host, sessions, wrongTokens);
  addApiRoutes(server, host);
  addPageRoutes(server, host);
  const url = await listenOn(server, listen, 'admin.listen');
  return { url, routes, close: () => server.close() };
}

/** Starts the server of `admin.metrics`: /metrics and the probes, without a token. Throws ADMIN_LISTEN. */
export async function openMetrics(host: AdminHost, address: ListenAddress): Promise<AdminServer> {
  const server = newServer();
  answerErrors(server, host, []);
  addProbeRoutes(server, host, { metricsRole: 'none' });
  const url = await listenOn(server, address, 'admin.metrics');
  return { url, routes: [], close: () => server.close() };
}

function newServer(): FastifyInstance {
  const server: FastifyInstance = Fastify({
    bodyLimit: MAX_BODY_BYTES,
    requestTimeout: REQUEST_TIMEOUT_MS,
    forceCloseConnections: true,
    routerOptions: { maxParamLength: MAX_PARAM_LENGTH },
    // An address that cannot be decoded is no route's: nobody is asked who they are.
    frameworkErrors: ({ statusCode = 400 }, _request, reply) => {
      const plain = reply as unknown as FastifyReply;
      return plain
        .code(statusCode)
        .type(PROBLEM_TYPE)
        .send(JSON.stringify(toProblem({ statusCode })));
    },
    ajv: { customOptions: { coerceTypes: 'array', removeAdditional: false, allErrors: false } },
  });
  server.server.maxConnections = MAX_CONNECTIONS;
  server.setSerializerCompiler(() => toAnswer);
  server.removeContentTypeParser(['application/json', 'text/plain']);
  server.addContentTypeParser('application/json', { parseAs: 'string' }, (_request, body, done) => {
    try {
      done(null, body === '' ? {} : parseJson(String(body)));
    } catch (error) {
      done(new WalhookError('REQUEST_INVALID', `expected JSON: ${toWalhookError(error).message}`));
    }
  });
  return server;
}

/** Nothing inline, nothing from elsewhere, in no frame. */
const SECURITY_HEADERS = {
  contentSecurityPolicy: {
    useDefaults: false,
    directives: {
      'default-src': ["'none'"],
      'script-src': ["'self'"],
      'style-src': ["'self'"],
      'img-src': ["'self'"],
      'connect-src': ["'self'"],
      'form-action': ["'self'"],
      'base-uri': ["'none'"],
      'frame-ancestors': ["'none'"],
    },
  },
  // TLS is whoever's stands in front; a promise of it is theirs to make.
  hsts: false,
  referrerPolicy: { policy: 'same-origin' as const },
  frameguard: { action: 'deny' as const },
};

function openApi(version: string) {
  return {
    openapi: {
      openapi: '3.1.0',
      info: {
        title: 'walhook',
        version,
        description:
          'What the admin page does, for programs. Errors are RFC 9457 problem details with a code.',
      },
      components: { securitySchemes: { token: { type: 'http' as const, scheme: 'bearer' } } },
      security: [{ token: [] }],
    },
    hideUntagged: true,
  };
}

function answerErrors(server: FastifyInstance, host: AdminHost, routes: readonly RouteEntry[]): void {
  const answer = (error: unknown, request: FastifyRequest, reply: FastifyReply) => {
    const problem = toProblem(error);
    if (problem.code === 'UNEXPECTED') {
      host.log.error({ err: error, route: request.routeOptions.url ?? null }, 'admin: a request failed');
    }
    if (problem.status === 429 && !reply.hasHeader('retry-after')) reply.header('retry-after', '1');
    if (problem.status === 401) reply.header('www-authenticate', 'Bearer realm="walhook"');
    reply.code(problem.status).header('cache-control', 'no-store');
    if (!wantsHtml(request)) return reply.type(PROBLEM_TYPE).send(JSON.stringify(problem));
    const page =
      problem.code === 'UNAUTHORIZED'
        ? loginPage({ next: request.url, message: null })
        : errorPage(request, problem);
    return reply.type('text/html; charset=utf-8').send(page.toString());
  };
  server.setErrorHandler(answer);
  server.setNotFoundHandler((request, reply) => {
    const methods = methodsOf(routes, request.url);
    if (methods.length === 0) {
      return answer(new WalhookError('NOT_FOUND', 'expected an address that there is'), request, reply);
    }
    reply.header('allow', methods.join(', '));
    return answer({ statusCode: 405 }, request, reply);
  });
}

/** The methods that an address takes. */
function methodsOf(routes: readonly RouteEntry[], url: string): readonly string[] {
  const parts = url.split('?', 1)[0]?.split('/') ?? [];
  const found = routes.filter((route) => {
    const pattern = route.url.split('/');
    return (
      pattern.length === parts.length && pattern.every((one, i) => one.startsWith(':') || one === parts[i])
    );
  });
  return [...new Set(found.map(({ method }) => method))];
}

async function listenOn(
  server: FastifyInstance,
  { host, port }: ListenAddress,
  key: string,
): Promise<string> {
  try {
    await server.listen({ host, port });
  } catch (error) {
    await server.close();
    const found = { EADDRINUSE: 'that another program listens there', EACCES: 'that it may not' };
    const code = causeCode(error) ?? 'UNKNOWN';
    throw new WalhookError(
      'ADMIN_LISTEN',
      `expected to listen on ${host}:${port} (${key}), found ${found[code as keyof typeof found] ?? code}`,
      { cause: error },
    );
  }
  const bound = server.server.address();
  const at = typeof bound === 'object' && bound !== null ? bound : { family: '', address: host, port };
  return `http://${at.family === 'IPv6' ? `[${at.address}]` : at.address}:${at.port}`;
}
