/** /api/webhooks and /api/try. */
import type { FastifyInstance, FastifyRequest } from 'fastify';
import { WalhookError } from '../../core/errors.ts';
import type { Json } from '../../core/json.ts';
import type { RowValues } from '../../definitions/rowStore.ts';
import { checkedEvent } from '../../trial/eventInput.ts';
import { pauseOrResume, testWebhook } from '../acts.ts';
import type { AdminHost } from '../host.ts';
import { changeWebhook, createWebhook, deleteWebhook } from '../rowActs.ts';
import { tryShown, tryWritten } from '../trials.ts';
import { findWebhook, listWebhooks, type WebhookView } from '../webhooks.ts';
import {
  anything,
  ifMatchSchema,
  nameParam,
  problemSchema,
  rowValuesSchema,
  trySchema,
  webhookSchema,
} from './schemas.ts';

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
    async ({ params }, reply) => {
      const view = await findWebhook(host, params.name);
      return reply.header('etag', etagOf(view)).send(view);
    },
  );
  addActs(server, host);
  addDefinitionRoutes(server, host);
  server.post<{ Body: { webhook?: string; definition?: RowValues; event: Json } }>(
    '/api/try',
    {
      config: viewer,
      schema: {
        tags,
        summary: 'What would this webhook do with this Event?',
        body: trySchema,
        response: { ...answers(anything), 422: problemSchema },
      },
    },
    async ({ body: { webhook, definition, event } }) => {
      const checked = checkedEvent(event, 'event');
      if (definition !== undefined) return tryWritten(host, definition, checked);
      if (webhook !== undefined) return tryShown(host, webhook, checked);
      throw new WalhookError(
        'REQUEST_INVALID',
        'expected webhook, a name, or definition, a webhook as an object',
      );
    },
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

const MODES = { PUT: 'replace', PATCH: 'merge' } as const;
const SUMMARIES = {
  PUT: 'Change a webhook kept as a row: what is absent becomes the default',
  PATCH: 'Change a webhook kept as a row: what is absent stays, null makes it the default',
} as const;

/**
 * Webhooks kept as rows. `ETag` is the version of a row; with `If-Match` an act is refused with 412 where somebody
 * else was faster. Those of the file are edited in the file.
 */
function addDefinitionRoutes(server: FastifyInstance, host: AdminHost): void {
  const admin = { role: 'admin' } as const;
  const refusals = { 409: problemSchema, 412: problemSchema, 422: problemSchema, 503: problemSchema };
  const written = { body: rowValuesSchema };
  server.post<{ Body: RowValues }>(
    '/api/webhooks',
    {
      config: admin,
      // Held to the rules for rows, which tell every mistake at once.
      validatorCompiler: () => () => true,
      schema: {
        tags,
        summary: 'Add a webhook, kept as a row',
        ...written,
        response: { 201: webhookSchema, ...refusals },
      },
    },
    async (request, reply) => {
      const row = await createWebhook(host, request, objectOf(request.body));
      const view = await findWebhook(host, String(row.values['name']));
      return reply
        .code(201)
        .header('location', `/api/webhooks/${encodeURIComponent(view.key)}`)
        .header('etag', etagOf(view))
        .send(view);
    },
  );
  for (const method of ['PUT', 'PATCH'] as const) {
    server.route<Named & { Body: RowValues }>({
      method,
      url: '/api/webhooks/:name',
      config: admin,
      validatorCompiler: () => () => true,
      schema: {
        tags,
        summary: SUMMARIES[method],
        params: nameParam,
        headers: ifMatchSchema,
        ...written,
        response: { ...answers(webhookSchema), ...refusals },
      },
      handler: async (request, reply) => {
        const change = { mode: MODES[method], version: ifMatch(request) };
        const row = await changeWebhook(host, request, request.params.name, objectOf(request.body), change);
        const view = await findWebhook(host, String(row.values['name']));
        return reply.header('etag', etagOf(view)).send(view);
      },
    });
  }
  server.delete<Named>(
    '/api/webhooks/:name',
    {
      config: admin,
      schema: {
        tags,
        summary: 'Remove a webhook kept as a row; what is queued of it waits as an orphan',
        params: nameParam,
        headers: ifMatchSchema,
        response: { 204: { type: 'null' }, 404: problemSchema, ...refusals },
      },
    },
    async (request, reply) => {
      await deleteWebhook(host, request, request.params.name, ifMatch(request));
      return reply.code(204).send();
    },
  );
}

function objectOf(body: unknown): RowValues {
  if (typeof body === 'object' && body !== null && !Array.isArray(body)) return body as RowValues;
  throw new WalhookError('REQUEST_INVALID', 'expected a webhook as an object');
}

/** null where the caller does not care. */
function ifMatch({ headers }: FastifyRequest): string | null {
  const sent = headers['if-match'];
  if (sent === undefined || sent.trim() === '*') return null;
  return /^\s*"([^"]*)"\s*$/.exec(sent)?.[1] ?? sent;
}

function etagOf({ row }: WebhookView): string | undefined {
  return row?.version == null ? undefined : `"${row.version}"`;
}
