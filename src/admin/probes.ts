/**
 * /livez, /readyz and /metrics. The probes depend on nothing else: a database that is away is no reason to
 * restart the daemon, and it is told by /api/status and the metrics.
 */
import type { FastifyInstance } from 'fastify';
import type { RouteRole } from './access.ts';
import type { AdminHost } from './host.ts';

export function addProbeRoutes(
  server: FastifyInstance,
  host: AdminHost,
  { metricsRole }: { readonly metricsRole: RouteRole },
): void {
  const text = 'text/plain; charset=utf-8';
  const probe = { role: 'none', isAnyHost: true } as const;
  server.get('/livez', { config: probe }, (_request, reply) => reply.type(text).send('ok\n'));
  // The server starts when the configuration is loaded and the parts are built.
  server.get('/readyz', { config: probe }, (_request, reply) => reply.type(text).send('ready\n'));
  const isAnyHost = metricsRole === 'none' ? ({ isAnyHost: true } as const) : {};
  server.get('/metrics', { config: { role: metricsRole, ...isAnyHost } }, async (_request, reply) =>
    reply.type(host.metrics.contentType).send(await host.metrics.text()),
  );
}
