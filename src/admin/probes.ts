/**
 * /livez, /readyz and /metrics. The probes depend on nothing else: a database that is away is no reason to
 * restart the daemon, and it is told by /api/status and the metrics.
 */
import type { FastifyInstance } from 'fastify';
import type { RouteRole } from './access.ts';
import type { AdminHost } from './host.ts';

/** What stands behind being ready, as far as it may be told without a token: states and codes, no more. */
export function readiness({ roles, metrics, sampler }: Pick<AdminHost, 'roles' | 'metrics' | 'sampler'>) {
  const { latest } = sampler;
  const reached = (isThere: boolean, code: string | undefined) => ({
    reachable: isThere,
    ...(code === undefined ? {} : { code }),
  });
  return {
    ready: true,
    roles,
    // null: this process does not capture.
    capture: metrics.captureState,
    capture_lag_seconds: metrics.captureLagSeconds,
    // null: not asked yet.
    database: latest === null ? null : reached(latest.slot !== null, latest.slotError?.code),
    slot: latest?.slot?.slot.walStatus ?? null,
    queue: latest === null ? null : reached(latest.queue !== null, latest.queueError?.code),
  };
}

export function addProbeRoutes(
  server: FastifyInstance,
  host: AdminHost,
  { metricsRole }: { readonly metricsRole: RouteRole },
): void {
  const text = 'text/plain; charset=utf-8';
  const probe = { role: 'none', isAnyHost: true } as const;
  server.get('/livez', { config: probe }, (_request, reply) => reply.type(text).send('ok\n'));
  // The server starts when the configuration is loaded and the parts are built.
  server.get('/readyz', { config: probe }, (request, reply) => {
    const { verbose } = request.query as Readonly<Record<string, unknown>>;
    if (verbose === undefined) return reply.type(text).send('ready\n');
    return reply.type('application/json; charset=utf-8').send(JSON.stringify(readiness(host)));
  });
  const isAnyHost = metricsRole === 'none' ? ({ isAnyHost: true } as const) : {};
  server.get('/metrics', { config: { role: metricsRole, ...isAnyHost } }, async (_request, reply) =>
    reply.type(host.metrics.contentType).send(await host.metrics.text()),
  );
}
