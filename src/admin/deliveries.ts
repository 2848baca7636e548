/** Deliveries as the API tells them: times in ISO 8601, secrets masked, payloads only to who may see them. */
import { type DeliveryJson, deliveryJson } from '../commands/deliveryJson.ts';
import type { HeaderList, SentRequest } from '../queue/attempt.ts';
import type { DeliveryDetail, DeliverySummary } from '../queue/inspect.ts';
import type { Identity } from './access.ts';
import { type AdminHost, adminConfig } from './host.ts';
import { type Mask, maskOf } from './masking.ts';
import { namesByKey } from './webhooks.ts';

/** As the commands print them, with the Webhook's name beside its key. */
export type NamedDelivery = DeliveryJson & { readonly webhook_name: string };

/** Who sees what Events, requests and responses hold. */
export function maySeePayloads(host: AdminHost, identity: Identity | null): boolean {
  if (identity === null) return false;
  return identity.role !== 'viewer' || adminConfig(host).viewer_payloads;
}

function named(delivery: DeliverySummary, names: ReadonlyMap<string, string>, mask: Mask): NamedDelivery {
  const shown = { ...delivery, detail: delivery.detail === null ? null : mask(delivery.detail) };
  return { ...deliveryJson(shown), webhook_name: names.get(delivery.webhook) ?? delivery.webhook };
}

export function jsonOfMany(host: AdminHost, deliveries: readonly DeliverySummary[]): NamedDelivery[] {
  const names = namesByKey(host);
  const mask = maskOf(host.live.current.loaded);
  return deliveries.map((delivery) => named(delivery, names, mask));
}

/** A Delivery with everything that is known of it, ready to be shown to this identity. */
export interface ShownDelivery {
  readonly summary: NamedDelivery;
  /** Secrets masked, and payloads left out where they are hidden. */
  readonly detail: DeliveryDetail;
  /** Payloads were left out because of the role. */
  readonly isHidden: boolean;
}

export function showDelivery(
  host: AdminHost,
  delivery: DeliveryDetail,
  identity: Identity | null,
): ShownDelivery {
  const mask = maskOf(host.live.current.loaded);
  const isHidden = !maySeePayloads(host, identity);
  const hidden = (text: string | null) => (isHidden || text === null ? null : mask(text));
  const maskHeaders = (headers: HeaderList) => headers.map(([name, value]) => [name, mask(value)] as const);
  const { request } = delivery;
  const detail: DeliveryDetail = {
    ...delivery,
    detail: delivery.detail === null ? null : mask(delivery.detail),
    event: hidden(delivery.event),
    request:
      request === null
        ? null
        : {
            ...request,
            url: mask(request.url),
            headers: maskHeaders(request.headers),
            body: hidden(request.body),
          },
    log: delivery.log.map((attempt) => ({
      ...attempt,
      detail: attempt.detail === null ? null : mask(attempt.detail),
      response:
        attempt.response === null
          ? null
          : {
              ...attempt.response,
              headers: maskHeaders(attempt.response.headers),
              body: hidden(attempt.response.body),
            },
    })),
  };
  return { summary: named(delivery, namesByKey(host), mask), detail, isHidden };
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
