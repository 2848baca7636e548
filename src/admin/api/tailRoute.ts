/** /api/tail: server-sent events for as many as may watch, each as fast as it reads. */
import type { ServerResponse } from 'node:http';
import type { FastifyInstance } from 'fastify';
import { WalhookError } from '../../core/errors.ts';
import type { DeliverySummary } from '../../queue/inspect.ts';
import { keysByName } from '../acts.ts';
import { toAnswer } from '../answers.ts';
import { jsonOfMany } from '../deliveries.ts';
import { filterOf, queryOf } from '../deliveryQuery.ts';
import { type AdminHost, adminConfig } from '../host.ts';
import { MAX_WATCHERS, Tail, type TailItem } from '../tail.ts';
import { filterProperties, problemSchema } from './schemas.ts';

/** Ends a stream so that its client logs in anew: roles and tokens may have changed meanwhile. */
const TAIL_LIFETIME_MS = 3_600_000;
const KEEPALIVE_MS = 15_000;
/** What a client has not read yet; above it Deliveries are left out, and it is told how many. */
const MAX_UNREAD_BYTES = 262_144;
/** Of all who watch one caller may be this many, so that it cannot keep the others out. */
export const MAX_WATCHERS_EACH = 10;

export function addTailRoute(server: FastifyInstance, host: AdminHost): void {
  const tail = new Tail({
    outcomes: (after, limit) => host.store.deliveries.outcomes(after, limit),
    write: (deliveries) => jsonOfMany(host, deliveries).map(toAnswer),
    clock: host.clock,
    log: host.log,
  });
  const watching = new Map<string, number>();
  server.get<{ Querystring: Readonly<Record<string, unknown>> }>(
    '/api/tail',
    {
      config: { role: 'viewer' },
      schema: {
        tags: ['deliveries'],
        summary:
          'Server-sent events `delivery`: what becomes of Deliveries, as it happens; `skipped` says how many were left out',
        querystring: {
          type: 'object',
          additionalProperties: false,
          properties: {
            webhook: filterProperties.webhook,
            state: filterProperties.state,
            model: filterProperties.model,
          },
        },
        produces: ['text/event-stream'],
        response: { 400: problemSchema, 429: problemSchema },
      },
    },
    (request, reply) => {
      const { webhook, state, model } = filterOf(queryOf(request.query), keysByName(host), 0);
      const who = `${request.identity?.name ?? ''} ${request.ip}`;
      const known = watching.get(who) ?? 0;
      if (tail.isFull || known >= MAX_WATCHERS_EACH) {
        throw new WalhookError(
          'RATE_LIMITED',
          `expected at most ${MAX_WATCHERS_EACH} tails of one caller and ${MAX_WATCHERS} of all at the same time`,
        );
      }
      watching.set(who, known + 1);
      reply.hijack();
      request.endInFlight?.();
      stream(
        host,
        tail,
        reply.raw,
        ({ delivery }) => isOf(delivery, { webhook, state, model }),
        () => {
          const left = (watching.get(who) ?? 1) - 1;
          if (left === 0) watching.delete(who);
          else watching.set(who, left);
        },
      );
    },
  );
}

type Wanted = { readonly [K in 'webhook' | 'state' | 'model']?: DeliverySummary[K] | undefined };

function isOf(delivery: DeliverySummary, { webhook, state, model }: Wanted): boolean {
  return (
    (webhook === undefined || delivery.webhook === webhook) &&
    (state === undefined || delivery.state === state) &&
    (model === undefined || delivery.model === model)
  );
}

function stream(
  host: AdminHost,
  tail: Tail,
  raw: ServerResponse,
  isWanted: (item: TailItem) => boolean,
  onEnd: () => void,
): void {
  const admin = adminConfig(host);
  raw.writeHead(200, {
    'content-type': 'text/event-stream; charset=utf-8',
    'cache-control': 'no-store',
    'x-content-type-options': 'nosniff',
    'x-accel-buffering': 'no',
  });
  raw.write('retry: 2000\n\n');
  let skipped = 0;
  const stop = tail.watch((items, left) => {
    skipped += left;
    const wanted = items.filter(isWanted);
    if (raw.writableLength > MAX_UNREAD_BYTES) {
      skipped += wanted.length;
      return;
    }
    let text = skipped === 0 ? '' : `event: skipped\ndata: {"count":${skipped}}\n\n`;
    for (const one of wanted) text += `event: delivery\ndata: ${one.text}\n\n`;
    skipped = 0;
    if (text !== '') raw.write(text);
  });
  let wasStuck = false;
  const keepalive = setInterval(() => {
    // A reload may have taken the token away; and whoever has not read for two rounds is not there any more.
    const isStuck = raw.writableLength > MAX_UNREAD_BYTES;
    if (adminConfig(host) !== admin || (isStuck && wasStuck)) raw.destroy();
    else if (!isStuck) raw.write(': \n\n');
    wasStuck = isStuck;
  }, KEEPALIVE_MS);
  const lifetime = setTimeout(() => raw.end(), TAIL_LIFETIME_MS);
  raw.on('close', () => {
    stop();
    clearInterval(keepalive);
    clearTimeout(lifetime);
    onEnd();
  });
}
