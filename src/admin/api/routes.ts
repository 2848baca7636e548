/** The API: status, webhooks, deliveries, reload, and its own description. */
import type { FastifyInstance } from 'fastify';
import { listGaps } from '../gaps.ts';
import { audit } from '../guard.ts';
import type { AdminHost } from '../host.ts';
import { addDeliveryRoutes } from './deliveryRoutes.ts';
import { anything, problemSchema } from './schemas.ts';
import { addTailRoute } from './tailRoute.ts';
import { addWebhookRoutes } from './webhookRoutes.ts';

export function addApiRoutes(server: FastifyInstance, host: AdminHost): void {
  const tags = ['walhook'];
  server.get(
    '/api/status',
    {
      config: { role: 'viewer' },
      schema: {
        tags,
        summary: 'What `walhook status --json` prints',
        response: { 200: anything, 503: problemSchema },
      },
    },
    async () => await host.readStatus(),
  );
  server.get(
    '/api/gaps',
    {
      config: { role: 'viewer' },
      schema: {
        tags,
        summary: 'Stretches of Changes known not to have been delivered',
        response: { 200: anything },
      },
    },
    async () => ({ items: await listGaps(host) }),
  );
  addWebhookRoutes(server, host);
  addDeliveryRoutes(server, host);
  addTailRoute(server, host);
  const reload = {
    tags,
    summary: 'Read the configuration file again: all or nothing',
    response: { 200: anything, 409: problemSchema, 422: problemSchema },
  };
  server.post('/-/reload', { config: { role: 'admin' }, schema: reload }, (request) => {
    audit(host, request, 'reload');
    const { version, webhooks } = host.reloader.reload(request.identity?.name ?? 'admin');
    return { version, webhooks };
  });
  server.get('/api/openapi.json', { config: { role: 'viewer' } }, () => server.swagger());
}
