/** /api/deliveries. */
import type { FastifyInstance, FastifyRequest } from 'fastify';
import { deliveryDetailJson } from '../../commands/deliveryJson.ts';
import { WalhookError } from '../../core/errors.ts';
import { actOnMany, countMany, keysByName, MANY_ACTS, type ManyAct } from '../acts.ts';
import { jsonOfMany, type ShownDelivery, showDelivery } from '../deliveries.ts';
import { filterOf, queryOf } from '../deliveryQuery.ts';
import type { AdminHost } from '../host.ts';
import {
  anything,
  deliverySchema,
  idParam,
  listQuerySchema,
  manySchema,
  operatedSchema,
  problemSchema,
} from './schemas.ts';

const tags = ['deliveries'];
const ACT_ROLES = { resend: 'operator', cancel: 'operator', purge: 'admin' } as const;
const ACT_SUMMARIES = {
  resend: 'Send again, with the same id, marked webhook-resend: 1',
  cancel: 'End what has not ended',
  purge: 'Remove every trace',
} as const;

export function addDeliveryRoutes(server: FastifyInstance, host: AdminHost): void {
  const viewer = { role: 'viewer' } as const;
  const page = {
    type: 'object',
    properties: { items: { type: 'array', items: deliverySchema }, cursor: { type: ['string', 'null'] } },
  };
  server.get<{ Querystring: Readonly<Record<string, unknown>> }>(
    '/api/deliveries',
    {
      config: viewer,
      schema: {
        tags,
        summary: 'Deliveries, the newest commit first',
        querystring: listQuerySchema,
        response: { 200: page, 400: problemSchema },
      },
    },
    async ({ query }) => {
      const filter = filterOf(queryOf(query), keysByName(host), host.clock.now());
      const cursor = typeof query['cursor'] === 'string' && query['cursor'] !== '' ? query['cursor'] : null;
      const found = await host.store.deliveries.list(filter, { limit: Number(query['limit']), cursor });
      return { items: jsonOfMany(host, found.items), cursor: found.cursor };
    },
  );
  server.get<{ Params: { id: string } }>(
    '/api/deliveries/:id',
    {
      config: viewer,
      schema: {
        tags,
        summary: 'One Delivery: Event, rendered request, every Attempt',
        params: idParam,
        response: { 200: anything, 404: problemSchema },
      },
    },
    async (request) => detailJson(await findDelivery(host, request, request.params.id)),
  );
  for (const act of MANY_ACTS) addActRoutes(server, host, act);
}

/** Throws NOT_FOUND. */
export async function findDelivery(
  host: AdminHost,
  request: FastifyRequest,
  id: string,
): Promise<ShownDelivery> {
  const detail = await host.store.deliveries.get(id);
  if (detail === null) {
    throw new WalhookError('NOT_FOUND', 'expected the id of a Delivery, found none of it (any more)', {
      remedy: 'list them at /api/deliveries; retention says how long those that have ended are kept',
    });
  }
  return showDelivery(host, detail, request.identity);
}

function addActRoutes(server: FastifyInstance, host: AdminHost, act: ManyAct): void {
  const config = { role: ACT_ROLES[act] } as const;
  const response = { 200: operatedSchema, 400: problemSchema, 403: problemSchema };
  server.post<{ Body: Readonly<Record<string, unknown>> }>(
    `/api/deliveries/${act}`,
    {
      config,
      schema: {
        tags,
        summary: `${ACT_SUMMARIES[act]}: those of a filter or of ids`,
        body: manySchema,
        response,
      },
    },
    async (request) => {
      const query = queryOf(request.body);
      if (request.body['dry_run'] === true) return { dry_run: true, count: await countMany(host, query) };
      return await actOnMany(host, request, act, query);
    },
  );
  if (act === 'purge') return;
  server.post<{ Params: { id: string } }>(
    `/api/deliveries/:id/${act}`,
    {
      config,
      schema: {
        tags,
        summary: ACT_SUMMARIES[act],
        params: idParam,
        response: { ...response, 404: problemSchema },
      },
    },
    async (request) => {
      const { id } = request.params;
      await findDelivery(host, request, id);
      return await actOnMany(host, request, act, { ids: [id] });
    },
  );
}

function detailJson({ summary, detail, isHidden }: ShownDelivery): Readonly<Record<string, unknown>> {
  return {
    ...deliveryDetailJson(detail),
    webhook_name: summary.webhook_name,
    payloads_hidden: isHidden,
  };
}
