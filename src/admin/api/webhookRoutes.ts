/** /api/webhooks and /api/try. */
import type { FastifyInstance } from 'fastify';
import { WalhookError } from '../../core/errors.ts';
import type { Json } from '../../core/json.ts';
import { checkedEvent } from '../../trial/eventInput.ts';
import { pauseOrResume, testWebhook } from '../acts.ts';
import type { AdminHost } from '../host.ts';
import { tryShown } from '../trials.ts';
import { findWebhook, listWebhooks } from '../webhooks.ts';
import { anything, nameParam, problemSchema, trySchema, webhookSchema } from './schemas.ts';

const tags = ['webhooks'];
const answers = (schema: object) => ({ 200: schema, 404: problemSchema });

interface Named {
  Params: { name: string };
}

export function addWebhookRoutes(server: FastifyInstance, host: AdminHost): void {
  const viewer = { role: 'viewer' } as const;
  const list = { type: 'object', properties: { items: { type: 'array', items: webhookSchema } } };
  server.get(
    '/api/webhooks',
    {
      config: viewer,
      schema: { tags, summary: 'Webhooks with their state and counts', response: { 200: list } },
    },
    async () => ({ items: await listWebhooks(host) }),
  );
  server.get<Named>(
    '/api/webhooks/:name',
    {
      config: viewer,
      schema: {
        tags,
        summary: 'One webhook; secrets are never readable',
        params: nameParam,
        response: answers(webhookSchema),
      },
    },
    async ({ params }) => await findWebhook(host, params.name),
  );
  addActs(server, host);
  addDefinitionRoutes(server, host);
  server.post<{ Body: { webhook: string; event: Json } }>(
    '/api/try',
    {
      config: viewer,
      schema: {
        tags,
        summary: 'What would this webhook do with this Event?',
        body: trySchema,
        response: answers(anything),
      },
    },
    async ({ body }) => tryShown(host, body.webhook, checkedEvent(body.event, 'event')),
  );
}

function addActs(server: FastifyInstance, host: AdminHost): void {
  const operator = { role: 'operator' } as const;
  for (const [act, isPaused, summary] of [
    ['pause', true, 'Stop sending; Deliveries go on being queued'],
    ['resume', false, 'Send again'],
  ] as const) {
    server.post<Named>(
      `/api/webhooks/:name/${act}`,
      { config: operator, schema: { tags, summary, params: nameParam, response: answers(webhookSchema) } },
      async (request) => {
        await pauseOrResume(host, request, request.params.name, isPaused);
        return await findWebhook(host, request.params.name);
      },
    );
  }
  server.post<Named>(
    '/api/webhooks/:name/test',
    {
      config: operator,
      schema: {
        tags,
        summary: 'Send a sample Event, marked webhook-test: 1',
        params: nameParam,
        response: answers(anything),
      },
    },
    async (request) => {
      const { isReal, attempt } = await testWebhook(host, request, request.params.name);
      const { status, error, detail, durationMs } = attempt;
      const isDelivered = error === null && status !== null;
      return { delivered: isDelivered, status, error, detail, duration_ms: durationMs, real_event: isReal };
    },
  );
}

/** Webhooks of the file are edited in the file. */
function addDefinitionRoutes(server: FastifyInstance, host: AdminHost): void {
  const admin = { role: 'admin' } as const;
  const refuse = () => {
    throw new WalhookError(
      'WEBHOOK_READ_ONLY',
      'expected a webhook that is kept as a row, found that all are defined in the configuration file',
    );
  };
  const schema = (summary: string) => ({ tags, summary, response: { 409: problemSchema } });
  server.post('/api/webhooks', { config: admin, schema: schema('Add a webhook') }, refuse);
  for (const method of ['PUT', 'PATCH', 'DELETE'] as const) {
    server.route<Named>({
      method,
      url: '/api/webhooks/:name',
      config: admin,
      schema: { ...schema(`${method === 'DELETE' ? 'Remove' : 'Change'} a webhook`), params: nameParam },
      handler: async ({ params }) => {
        await findWebhook(host, params.name);
        return refuse();
      },
    });
  }
}
