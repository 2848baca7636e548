/** Deliveries as the API tells them: times in ISO 8601, secrets masked, payloads only to who may see them. */
import type { LoggedAttempt, SentRequest } from '../queue/attempt.ts';
import type { DeliveryDetail, DeliverySummary } from '../queue/inspect.ts';
import type { Identity } from './access.ts';
import { type AdminHost, adminConfig } from './host.ts';
import { type Mask, maskOf } from './masking.ts';
import { namesByKey } from './webhooks.ts';

export type DeliveryJson = {
  readonly id: string;
  readonly webhook: string;
  readonly webhook_key: string;
  readonly state: string;
  readonly model: string;
  readonly key: string;
  readonly request_id: string | null;
  readonly event_id: string;
  readonly committed_at: string;
  readonly attempts: number;
  readonly status: number | null;
  readonly error: string | null;
  readonly detail: string | null;
  readonly last_attempt_at: string | null;
  readonly duration_ms: number | null;
  readonly next_attempt_at: string | null;
  readonly ended_at: string | null;
  readonly resent: boolean;
};

/** Who sees what Events, requests and responses hold. */
export function maySeePayloads(host: AdminHost, identity: Identity | null): boolean {
  if (identity === null) return false;
  return identity.role !== 'viewer' || adminConfig(host).viewer_payloads;
}

export function deliveryJson(
  delivery: DeliverySummary,
  names: ReadonlyMap<string, string>,
  mask: Mask,
): DeliveryJson {
  return {
    id: delivery.id,
    webhook: names.get(delivery.webhook) ?? delivery.webhook,
    webhook_key: delivery.webhook,
    state: delivery.state,
    model: delivery.model,
    key: delivery.key,
    request_id: delivery.requestId,
    event_id: delivery.eventId,
    committed_at: isoTime(delivery.committedAtMs) ?? '',
    attempts: delivery.attempts,
    status: delivery.status,
    error: delivery.error,
    detail: delivery.detail === null ? null : mask(delivery.detail),
    last_attempt_at: isoTime(delivery.lastAttemptMs),
    duration_ms: delivery.durationMs,
    next_attempt_at: isoTime(delivery.nextMs),
    ended_at: isoTime(delivery.endedMs),
    resent: delivery.isResent,
  };
}

export function jsonOfMany(host: AdminHost, deliveries: readonly DeliverySummary[]): DeliveryJson[] {
  const names = namesByKey(host);
  const mask = maskOf(host.live.current.loaded);
  return deliveries.map((delivery) => deliveryJson(delivery, names, mask));
}

/** A Delivery with everything that is known of it, ready to be shown to this identity. */
export interface ShownDelivery {
  readonly summary: DeliveryJson;
  readonly schema: string;
  readonly table: string;
  readonly lsn: string;
  readonly xid: number;
  /** JSON text; null where it is not held, or hidden. */
  readonly event: string | null;
  readonly request: SentRequest | null;
  readonly log: readonly LoggedAttempt[];
  /** Payloads were left out because of the role. */
  readonly isHidden: boolean;
}

export function showDelivery(
  host: AdminHost,
  detail: DeliveryDetail,
  identity: Identity | null,
): ShownDelivery {
  const mask = maskOf(host.live.current.loaded);
  const isHidden = !maySeePayloads(host, identity);
  const hidden = (text: string | null) => (isHidden || text === null ? null : mask(text));
  const { request } = detail;
  return {
    summary: deliveryJson(detail, namesByKey(host), mask),
    schema: detail.schema,
    table: detail.table,
    lsn: detail.lsn,
    xid: detail.xid,
    event: hidden(detail.event),
    request:
      request === null
        ? null
        : {
            ...request,
            url: mask(request.url),
            headers: request.headers.map(([name, value]) => [name, mask(value)] as const),
            body: hidden(request.body),
          },
    log: detail.log.map((attempt) => ({
      ...attempt,
      detail: attempt.detail === null ? null : mask(attempt.detail),
      response:
        attempt.response === null
          ? null
          : {
              ...attempt.response,
              headers: attempt.response.headers.map(([name, value]) => [name, mask(value)] as const),
              body: hidden(attempt.response.body),
            },
    })),
    isHidden,
  };
}

/** The command that repeats a request; masked secrets have to be filled in. */
export function curlOf(request: SentRequest, event: string | null): string {
  const quote = (text: string) => `'${text.replaceAll("'", `'\\''`)}'`;
  const headers = request.headers.map(([name, value]) => `  -H ${quote(`${name}: ${value}`)}`);
  const body = request.bodyIs === 'event' ? event : request.bodyIs === 'whole' ? request.body : null;
  return [
    `curl -X ${request.method} ${quote(request.url)}`,
    ...headers,
    ...(body === null ? [] : [`  --data-binary ${quote(body)}`]),
  ].join(' \\\n');
}

export function isoTime(ms: number | null): string | null {
  return ms === null ? null : new Date(ms).toISOString();
}
