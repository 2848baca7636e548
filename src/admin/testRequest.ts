/**
 * Trying a Webhook against its real receiver: a sample Event, sent once, marked `webhook-test: 1`, outside
 * the queue and its accounting.
 */
import { randomBytes } from 'node:crypto';
import { toWalhookError } from '../core/errors.ts';
import { type JsonObject, parseJson } from '../core/json.ts';
import type { WebhookDefinition } from '../definitions/webhooks.ts';
import { recordAttempt } from '../deliver/attemptRecord.ts';
import { systemResolve } from '../deliver/connector.ts';
import { send } from '../deliver/http.ts';
import type { AttemptResult } from '../deliver/outcome.ts';
import { type PreparedRequest, prepareRequest } from '../deliver/request.ts';
import { Transport } from '../deliver/transport.ts';
import type { AttemptRecord } from '../queue/attempt.ts';
import type { QueuedDelivery } from '../queue/delivery.ts';
import { checkedEvent, deliveryOf } from '../trial/eventInput.ts';
import type { AdminHost } from './host.ts';

export interface TestResult {
  /** Whether the sample is a real Event of this Webhook, or made up. */
  readonly isReal: boolean;
  readonly attempt: AttemptRecord;
}

export async function sendTest(host: AdminHost, { match, deliver }: WebhookDefinition): Promise<TestResult> {
  const newest = await newestEvent(host, match.key);
  const delivery = {
    ...deliveryOf(newest ?? sampleEvent(match, host.clock.now())),
    eventId: randomEventId(),
  };
  const startedMs = host.clock.now();
  const began = host.clock.monotonic();
  const { request, result } = await attempt(host, deliver, delivery);
  const durationMs = host.clock.monotonic() - began;
  return {
    isReal: newest !== null,
    attempt: recordAttempt(deliver, request, result, { startedMs, durationMs }),
  };
}

/** The newest Event of a Webhook that the queue still holds. */
export async function newestEvent(host: AdminHost, webhook: string): Promise<JsonObject | null> {
  const { items } = await host.store.deliveries.list({ webhook }, { limit: 1, cursor: null });
  const detail = items[0] === undefined ? null : await host.store.deliveries.get(items[0].id);
  return detail?.event == null ? null : checkedEvent(parseJson(detail.event), 'the Event');
}

async function attempt(
  host: AdminHost,
  deliver: WebhookDefinition['deliver'],
  delivery: QueuedDelivery,
): Promise<{ request: PreparedRequest | null; result: AttemptResult }> {
  const transport = new Transport({
    rules: host.live.current.loaded.config.addresses,
    own: host.own,
    resolve: systemResolve,
    connections: 1,
    timeoutMs: deliver.timeoutMs,
    tls: deliver.tls,
    proxy: deliver.proxy,
    writtenLoopback: deliver.writtenLoopback,
    clock: host.clock,
  });
  try {
    const moment = { nowMs: host.clock.now(), userAgent: `walhook/${host.version}` };
    const prepared = prepareRequest(deliver, delivery, moment);
    const request = { ...prepared, headers: [...prepared.headers, ['webhook-test', '1'] as const] };
    const result = await send(transport, request, deliver.timeoutMs, new AbortController().signal);
    return { request, result };
  } catch (error) {
    const detail = toWalhookError(error).message;
    return { request: null, result: { kind: 'unsendable', reason: 'template', detail } };
  } finally {
    await transport.close();
  }
}

/** An Event of the documented shape where there is no real one. */
export function sampleEvent(
  { models, events }: Pick<WebhookDefinition['match'], 'models' | 'events'>,
  nowMs: number,
): JsonObject {
  const row: JsonObject = { id: 1, name: 'walhook test' };
  const event = events[0] ?? 'updated';
  return {
    event,
    timestamp: new Date(nowMs).toISOString().replace('Z', '000Z'),
    model: models[0] === undefined || models[0] === '*' ? 'walhook_test' : models[0],
    username: 'walhook',
    request_id: '00000000-0000-4000-8000-000000000000',
    data: row,
    snapshots: {
      prechange: event === 'created' ? null : row,
      postchange: event === 'deleted' ? null : row,
    },
  };
}

function randomEventId(): string {
  const hex = (bytes: number) => randomBytes(bytes).toString('hex');
  return `${hex(4)}-${hex(8)}-${hex(4)}-${hex(4)}`;
}
