/**
 * From a queued Delivery to the request that is sent: URL, headers and body rendered from the Event,
 * identified and signed. Pure; secrets are those of this moment.
 */
import { WalhookError } from '../core/errors.ts';
import type { EventFormat } from '../core/eventFormat.ts';
import { type Json, type JsonObject, parseJsonQuickly } from '../core/json.ts';
import { pythonJson } from '../core/jsonText.ts';
import type { Secret } from '../core/secret.ts';
import { deliveryId, type QueuedDelivery } from '../queue/delivery.ts';
import type { Template } from '../template/engine.ts';
import { parseHeaders } from './headers.ts';
import { formatPayload } from './payload.ts';
import { type SignatureKind, signatureHeaders } from './sign.ts';
import { parseRequestUrl } from './url.ts';

/** What of a Webhook shapes its requests. */
export interface RequestShape {
  readonly key: string;
  readonly name: string;
  readonly method: 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE';
  readonly contentType: string;
  readonly url: Template;
  /** The only origin that a rendered URL may have; null where the definition lets data choose. */
  readonly origin: string | null;
  /** null: none. */
  readonly headers: Template | null;
  /** Names and values in templates and in the body without a template. */
  readonly format: EventFormat;
  /** null: the Event's own JSON. */
  readonly body: Template | null;
  readonly secrets: readonly Secret[];
  /** Further texts that the log of Attempts masks: what the configuration fills in from variables. */
  readonly confidential?: readonly Secret[];
  readonly signature: SignatureKind;
}

export interface PreparedRequest {
  readonly method: RequestShape['method'];
  readonly origin: string;
  readonly path: string;
  /** In the order in which they are sent, spelled as they are sent. */
  readonly headers: readonly (readonly [name: string, value: string])[];
  readonly body: Buffer;
}

export interface RequestMoment {
  readonly nowMs: number;
  /** `walhook/0.1.0` */
  readonly userAgent: string;
  /** Sent again by hand. */
  readonly isResend?: boolean;
}

/** No transaction has the number 0: that of a row that was read and not streamed. */
function isReplay({ xid, lsn }: QueuedDelivery): boolean {
  return xid === 0 && lsn !== '0/0';
}

/** Renders and signs. Throws TEMPLATE_FAILED, URL_INVALID or HEADER_INVALID. */
export function prepareRequest(
  shape: RequestShape,
  delivery: QueuedDelivery,
  moment: RequestMoment,
): PreparedRequest {
  const needsScope =
    !shape.url.isConstant || shape.headers?.isConstant === false || shape.body?.isConstant === false;
  const payload = needsScope || shape.body === null ? formatPayload(delivery, shape.format) : '';
  const scope = needsScope ? templateScope(delivery, shape.name, payload) : {};
  const url = parseRequestUrl(shape.url.render(scope));
  if (shape.origin !== null && url.origin !== shape.origin) {
    throw new WalhookError(
      'URL_INVALID',
      `expected the origin ${shape.origin}, found another one after rendering`,
    );
  }
  const body = Buffer.from(
    shape.body === null ? defaultBody(payload, shape.format) : shape.body.render(scope),
    'utf8',
  );
  const custom = shape.headers === null ? [] : parseHeaders(shape.headers.render(scope));
  const id = deliveryId(delivery.eventId, shape.key);
  const timestamp = Math.floor(moment.nowMs / 1_000);
  const own: [string, string][] = [
    ['Content-Type', shape.contentType],
    ['User-Agent', moment.userAgent],
    ...(url.authorization === null ? [] : [['Authorization', url.authorization] as [string, string]]),
  ];
  const overridden = new Set(custom.map(([name]) => name.toLowerCase()));
  return {
    method: shape.method,
    origin: url.origin,
    path: url.path,
    headers: [
      ...own.filter(([name]) => !overridden.has(name.toLowerCase())),
      ...custom,
      ['webhook-id', id],
      ['webhook-timestamp', String(timestamp)],
      ...(moment.isResend === true ? [['webhook-resend', '1'] as const] : []),
      ...(delivery.isTest === true ? [['webhook-test', '1'] as const] : []),
      ...(isReplay(delivery) ? [['webhook-replay', '1'] as const] : []),
      ...signatureHeaders(shape.signature, shape.secrets, id, timestamp, body),
    ],
    body,
  };
}

/** Peering Manager and NetBox write their JSON as Python does. */
function defaultBody(payload: string, format: EventFormat): string {
  return format === 'walhook' ? payload : pythonJson(payload);
}

/**
 * What templates see: the Event's keys, and what else is known of the Change and the Webhook.
 *
 * @param payload the Event in the Webhook's payload format
 */
export function templateScope(
  delivery: QueuedDelivery,
  webhookName: string,
  payload: string = delivery.json,
): JsonObject {
  const event = parseJsonQuickly(payload) as JsonObject;
  return {
    ...event,
    // NetBox's payload has object_type instead.
    model: event['model'] ?? delivery.model,
    event_id: delivery.eventId,
    schema: delivery.schema,
    table: delivery.table,
    lsn: delivery.lsn,
    xid: delivery.xid,
    changes: changesOf(event['snapshots']),
    webhook: { name: webhookName },
  };
}

/** Column → `{old, new}` of what differs between the snapshots; null without both. */
export function changesOf(snapshots: Json | undefined): Json {
  if (!isObject(snapshots)) return null;
  const { prechange, postchange } = snapshots;
  if (!isObject(prechange) || !isObject(postchange)) return null;
  const changes: JsonObject = Object.create(null);
  for (const [column, value] of Object.entries(postchange)) {
    if (!Object.hasOwn(prechange, column)) continue;
    const old = prechange[column] ?? null;
    if (!isEqual(old, value)) changes[column] = { old, new: value };
  }
  return changes;
}

function isObject(value: Json | undefined): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function isEqual(a: Json, b: Json): boolean {
  if (Array.isArray(a) && Array.isArray(b)) {
    return a.length === b.length && a.every((item, i) => isEqual(item, b[i] ?? null));
  }
  if (isObject(a) && isObject(b)) {
    const keys = Object.keys(a);
    return (
      keys.length === Object.keys(b).length &&
      keys.every((key) => Object.hasOwn(b, key) && isEqual(a[key] ?? null, b[key] ?? null))
    );
  }
  return a === b;
}
