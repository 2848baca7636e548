/** What people do through the page and the API, each act audited once, here. */
import type { FastifyRequest } from 'fastify';
import { purge } from '../capture/purgeMisses.ts';
import type { Operated } from '../queue/inspect.ts';
import { type DeliveryQuery, filterOf, searchOf } from './deliveryQuery.ts';
import { audit } from './guard.ts';
import type { AdminHost } from './host.ts';
import type { Operation, Operations } from './operations.ts';
import { sendTest, type TestResult } from './testRequest.ts';
import { definitionOf, findWebhook, namesByKey, setPaused } from './webhooks.ts';

export const MANY_ACTS = ['resend', 'cancel', 'purge'] as const;
export type ManyAct = (typeof MANY_ACTS)[number];

export function keysByName(host: AdminHost): ReadonlyMap<string, string> {
  return new Map([...namesByKey(host)].map(([key, name]) => [name, key]));
}

export async function actOnMany(
  host: AdminHost,
  request: FastifyRequest,
  act: ManyAct,
  query: DeliveryQuery,
): Promise<Operated> {
  const now = host.clock.now();
  const filter = filterOf(query, keysByName(host), now);
  const operated =
    act === 'purge' ? await purge(host.store, filter) : await host.store.deliveries[act](filter, now);
  const { ids, key: _rowKey, ...shown } = query;
  audit(host, request, `deliveries ${act}`, { filter: shown, ids: ids?.length ?? null, ...operated });
  return operated;
}

/** Begins what is too much for one go. Audited when it begins and when it ends. */
export function actInPieces(
  host: AdminHost,
  operations: Operations,
  request: FastifyRequest,
  act: 'resend' | 'cancel',
  query: DeliveryQuery,
  total: number,
): Operation {
  const filter = filterOf(query, keysByName(host), host.clock.now());
  const { key: _rowKey, ids: _ids, ...shown } = query;
  const by = request.identity?.name ?? '';
  const operation = operations.start({ act, by, search: searchOf(query), total, filter }, (ended) => {
    const { id, state, done, skipped } = ended;
    audit(host, request, `deliveries ${act} ended`, { operation: id, state, done, skipped });
  });
  audit(host, request, `deliveries ${act}`, { filter: shown, operation: operation.id, total });
  return operation;
}

/** How many Deliveries a filter means. */
export async function countMany(host: AdminHost, query: DeliveryQuery): Promise<number> {
  return await host.store.deliveries.count(filterOf(query, keysByName(host), host.clock.now()));
}

export async function pauseOrResume(
  host: AdminHost,
  request: FastifyRequest,
  name: string,
  isPaused: boolean,
): Promise<void> {
  const { key } = await findWebhook(host, name);
  await setPaused(host, key, isPaused);
  audit(host, request, isPaused ? 'webhook paused' : 'webhook resumed', { webhook: key });
}

export async function testWebhook(
  host: AdminHost,
  request: FastifyRequest,
  name: string,
): Promise<TestResult> {
  const definition = definitionOf(host, name);
  const result = await sendTest(host, definition);
  const { status, error } = result.attempt;
  audit(host, request, 'webhook tested', { webhook: definition.match.key, status, error });
  return result;
}
