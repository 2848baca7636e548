/** Login and logout: a token of the configuration becomes a session in a cookie. */
import type { FastifyInstance } from 'fastify';
import { findToken, knownTokens, safeNext } from '../access.ts';
import { audit, refuseAfterMany, SESSION_COOKIE } from '../guard.ts';
import { type AdminHost, adminConfig } from '../host.ts';
import { type Html, html } from '../html.ts';
import type { WrongTokens } from '../limits.ts';
import type { Sessions } from '../sessions.ts';
import { bareDocument } from './layout.ts';

/** A token, and where to go. */
const MAX_LOGIN_BYTES = 16_384;

export function loginPage({
  next,
  message,
}: {
  readonly next: string;
  readonly message: string | null;
}): Html {
  return bareDocument(
    'Log in',
    html`<main class="login">
      <h1>walhook</h1>
      ${message !== null && html`<p class="notice bad" role="alert">${message}</p>`}
      <form method="post" action="/login">
        <input type="hidden" name="next" value="${safeNext(next)}">
        <label for="token">Token</label>
        <input id="token" name="token" type="password" autocomplete="current-password" required autofocus>
        <button class="primary">Log in</button>
      </form>
      <p class="hint">One of <code>admin.tokens</code> in the configuration file.</p>
    </main>`,
  );
}

export function addLoginRoutes(
  server: FastifyInstance,
  host: AdminHost,
  sessions: Sessions,
  wrongTokens: WrongTokens,
): void {
  const htmlType = 'text/html; charset=utf-8';
  server.get('/login', { config: { role: 'none' } }, (_request, reply) =>
    reply
      .type(htmlType)
      .header('cache-control', 'no-store')
      .send(loginPage({ next: '/', message: null }).toString()),
  );
  server.post('/login', { config: { role: 'none' }, bodyLimit: MAX_LOGIN_BYTES }, (request, reply) => {
    const body = (request.body ?? {}) as Readonly<Record<string, unknown>>;
    const presented = typeof body['token'] === 'string' ? body['token'].trim() : '';
    const token = findToken(knownTokens(adminConfig(host).tokens), presented);
    if (token === null) {
      refuseAfterMany(request, reply, wrongTokens);
      audit(host, request, 'login refused');
      const page = loginPage({ next: safeNext(body['next']), message: 'This token is not known.' });
      return reply.code(401).type(htmlType).header('cache-control', 'no-store').send(page.toString());
    }
    const id = sessions.start(token);
    host.log.info({ audit: true, by: token.name, role: token.role, ip: request.ip }, 'admin: login');
    reply.setCookie(SESSION_COOKIE, id, {
      path: '/',
      httpOnly: true,
      sameSite: 'lax',
      secure: isSecure(request),
    });
    return reply.redirect(safeNext(body['next']), 303);
  });
  server.post('/logout', { config: { role: 'viewer' } }, (request, reply) => {
    const id = request.cookies[SESSION_COOKIE];
    if (id !== undefined) sessions.end(id);
    audit(host, request, 'logout');
    return reply.clearCookie(SESSION_COOKIE, { path: '/' }).redirect('/login', 303);
  });
}

/** Behind a proxy that speaks TLS the cookie stays on TLS. */
function isSecure({ headers }: { readonly headers: Readonly<Record<string, unknown>> }): boolean {
  return headers['x-forwarded-proto'] === 'https';
}
