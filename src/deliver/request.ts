/**
 * From a queued Delivery to the request that is sent: URL, headers and body rendered from the Event,
 * identified and signed. Pure; secrets are those of this moment.
 */
import { WalhookError } from '../core/errors.ts';
import type { EventFormat } from '../core/eventFormat.ts';
import { type Json, type JsonObject, parseJsonQuickly } from '../core/json.ts';
import { pythonJson } from '../core/jsonText.ts';
import type { Secret } from '../core/secret.ts';
import { deliveryIds, type QueuedDelivery } from '../queue/delivery.ts';
import type { Template } from '../template/engine.ts';
import { parseHeaders } from './headers.ts';
import { formatPayload } from './payload.ts';
import { type SignatureKind, signatureHeaders } from './sign.ts';
import { parseRequestUrl, type RequestUrl } from './url.ts';

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
export type PrepareRequest = (delivery: QueuedDelivery, moment: RequestMoment) => PreparedRequest;

/** {@link requestMaker} for one request. */
export function prepareRequest(
  shape: RequestShape,
  delivery: QueuedDelivery,
  moment: RequestMoment,
): PreparedRequest {
  return requestMaker(shape)(delivery, moment);
}

/** For many requests of one Webhook: what is the same in all of them is worked out once. */
export function requestMaker(shape: RequestShape): PrepareRequest {
  const needsScope =
    !shape.url.isConstant || shape.headers?.isConstant === false || shape.body?.isConstant === false;
  const urlOf = rendering(shape.url, (text) => checkedUrl(shape, text));
  const customOf = shape.headers === null ? () => NO_HEADERS : rendering(shape.headers, parseHeaders);
  const idOf = deliveryIds(shape.key);
  const leadingOf = leadingHeaders(shape);
  return (delivery, moment) => {
    const payload = needsScope || shape.body === null ? formatPayload(delivery, shape.format) : '';
    const scope = needsScope ? templateScope(delivery, shape.name, payload) : {};
    const url = urlOf(scope);
    const text = shape.body === null ? defaultBody(payload, shape.format) : shape.body.render(scope);
    const body = Buffer.from(text, 'utf8');
    const id = idOf(delivery.eventId);
    const timestamp = Math.floor(moment.nowMs / 1_000);
    const headers: Header[] = [
      ...leadingOf(url, customOf(scope), moment.userAgent),
      ['webhook-id', id],
      ['webhook-timestamp', String(timestamp)],
    ];
    if (moment.isResend === true) headers.push(RESEND);
    if (delivery.isTest === true) headers.push(TEST);
    if (isReplay(delivery)) headers.push(REPLAY);
    if (shape.secrets.length > 0) {
      headers.push(...signatureHeaders(shape.signature, shape.secrets, id, timestamp, body));
    }
    return { method: shape.method, origin: url.origin, path: url.path, headers, body };
  };
}

type Header = readonly [name: string, value: string];

const RESEND: Header = ['webhook-resend', '1'];
const TEST: Header = ['webhook-test', '1'];
const REPLAY: Header = ['webhook-replay', '1'];
const NO_HEADERS: readonly Header[] = [];

/** Renders a template and reads what it gives; of one without tags, once. */
function rendering<T>(template: Template, read: (text: string) => T): (scope: JsonObject) => T {
  let known: { readonly value: T } | null = null;
  return (scope) => {
    if (known !== null) return known.value;
    const value = read(template.render(scope));
    if (template.isConstant) known = { value };
    return value;
  };
}

function checkedUrl(shape: RequestShape, text: string): RequestUrl {
  const url = parseRequestUrl(text);
  if (shape.origin === null || url.origin === shape.origin) return url;
  throw new WalhookError(
    'URL_INVALID',
    `expected the origin ${shape.origin}, found another one after rendering`,
  );
}

/**
 * The headers before walhook's own; what custom headers name is theirs to say. Where nothing in them is rendered
 * anew they are the same list in every request.
 */
function leadingHeaders({ contentType }: RequestShape) {
  let last: {
    readonly url: RequestUrl;
    readonly custom: readonly Header[];
    readonly userAgent: string;
    readonly headers: readonly Header[];
  } | null = null;
  return (url: RequestUrl, custom: readonly Header[], userAgent: string): readonly Header[] => {
    if (last?.url === url && last.custom === custom && last.userAgent === userAgent) return last.headers;
    const own: Header[] = [
      ['Content-Type', contentType],
      ['User-Agent', userAgent],
    ];
    if (url.authorization !== null) own.push(['Authorization', url.authorization]);
    const overridden = new Set(custom.map(([name]) => name.toLowerCase()));
    const headers = [...own.filter(([name]) => !overridden.has(name.toLowerCase())), ...custom];
    last = { url, custom, userAgent, headers };
    return headers;
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
