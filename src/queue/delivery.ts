/**
 * A Delivery as it waits in the queue, and the job that carries it.
 *
 * One job is a batch of 1 to 25 Deliveries of one Webhook. An Event travels as one string of final JSON:
 * nothing of it passes through JSON.parse on its way, so that no digit is lost and no key moves.
 */
import { WalhookError } from '../core/errors.ts';
import type { ForeignFormat } from '../core/eventFormat.ts';
import { hash8 } from '../core/hash.ts';

/** Deliveries in one job. Their bits fit a 32 bit mask. */
export const MAX_BATCH_DELIVERIES = 25;
/** Bytes of Events in one job; one Event larger than this is a job of its own. */
export const MAX_BATCH_BYTES = 256 * 1_024;

export interface QueuedDelivery {
  /** `<generation>-<commit LSN>-<index>-<object>`. */
  readonly eventId: string;
  readonly model: string;
  readonly schema: string;
  readonly table: string;
  /** The row's key. */
  readonly key: string;
  readonly requestId: string | null;
  /** PostgreSQL's notation. */
  readonly lsn: string;
  readonly xid: number;
  /** Commit time, milliseconds since the Unix epoch. */
  readonly committedAtMs: number;
  /** The Event's final JSON text. */
  readonly json: string;
  /** For a Webhook of another payload format: what of it only the moment of the Change could tell. */
  readonly frozen?: FrozenPayload;
  /** The rows whose earlier Deliveries go first (see rows.ts); absent where order does not matter. */
  readonly rows?: readonly string[];
  /** A sample sent by hand, marked `webhook-test: 1`. */
  readonly isTest?: true;
}

export interface FrozenPayload {
  readonly format: ForeignFormat;
  /** JSON text of `{prechange, postchange}` as that format has them. */
  readonly snapshots: string;
}

/** The id that is sent as `webhook-id`: the same in every Attempt, every resend, after every restart. */
export function deliveryId(eventId: string, webhookKey: string): string {
  return `${eventId}-${hash8(webhookKey)}`;
}

/** {@link deliveryId} for many Deliveries of one Webhook. */
export function deliveryIds(webhookKey: string): (eventId: string) => string {
  const end = hash8(webhookKey);
  return (eventId) => `${eventId}-${end}`;
}

/** What a Delivery counts for in the bytes that wait. */
export function deliveryBytes({ json, frozen }: Pick<QueuedDelivery, 'json' | 'frozen'>): number {
  return Buffer.byteLength(json) + (frozen === undefined ? 0 : Buffer.byteLength(frozen.snapshots));
}

/** Deliveries of one Webhook that travel together. */
export interface Batch {
  readonly webhook: string;
  readonly size: number;
  readonly bytes: number;
  /** Event ids, which sort: where the batch lies in commit order. */
  readonly firstId: string;
  readonly lastId: string;
  /** Of its one Delivery, where order matters; else empty. */
  readonly rows: readonly string[];
  /** Commit time of the last one, milliseconds since the Unix epoch. */
  readonly lastMs: number;
  readonly payload: string;
}

/** Cuts Deliveries of one Webhook, in order, into batches. */
export function toBatches(webhook: string, deliveries: readonly QueuedDelivery[]): Batch[] {
  const batches: Batch[] = [];
  let current: QueuedDelivery[] = [];
  let bytes = 0;
  const cut = () => {
    const first = current[0];
    const last = current.at(-1);
    if (first === undefined || last === undefined) return;
    batches.push({
      webhook,
      size: current.length,
      bytes,
      firstId: first.eventId,
      lastId: last.eventId,
      rows: first.rows ?? [],
      lastMs: last.committedAtMs,
      payload: encodePayload(current),
    });
    current = [];
    bytes = 0;
  };
  for (const delivery of deliveries) {
    const more = deliveryBytes(delivery);
    const isFull = current.length === MAX_BATCH_DELIVERIES || (bytes > 0 && bytes + more > MAX_BATCH_BYTES);
    if (isFull || delivery.rows !== undefined) cut();
    current.push(delivery);
    bytes += more;
    // Where order matters each Delivery is a job of its own, which waits for those of its row.
    if (delivery.rows !== undefined) cut();
  }
  cut();
  return batches;
}

/** Format of a payload. A newer version still reads the older ones. */
const PAYLOAD_VERSION = 1;

/**
 * What stands in a payload's first line for each Delivery; `n` is the length of its Event in UTF-16 units, `b`
 * its bytes where they are more.
 */
interface Head {
  readonly i: string;
  readonly m: string;
  readonly s: string;
  readonly t: string;
  readonly k: string;
  readonly r: string | null;
  readonly l: string;
  readonly x: number;
  readonly c: number;
  readonly n: number;
  /** Absent for walhook's own format; `n` is the length of its snapshots, which stand behind the Event. */
  readonly f?: { readonly format: ForeignFormat; readonly n: number };
  readonly b?: number;
  readonly test?: true;
}

/** One line of JSON that describes the Deliveries, then their Events one after the other, untouched. */
export function encodePayload(deliveries: readonly QueuedDelivery[]): string {
  return `${encodeHead(deliveries)}\n${eventsOf(deliveries)}`;
}

/** The inverse of {@link encodePayload}. Throws QUEUE_VERSION on a format of a newer version. */
export function decodePayload(payload: string): QueuedDelivery[] {
  const { head, events } = splitPayload(payload);
  return decodeJob(head, events);
}

/** The line that describes the Deliveries, and their Events. */
export function splitPayload(payload: string): { readonly head: string; readonly events: string } {
  const end = payload.indexOf('\n');
  return { head: payload.slice(0, end), events: payload.slice(end + 1) };
}

export function encodeHead(deliveries: readonly QueuedDelivery[]): string {
  const heads = deliveries.map((delivery): Head => {
    const bytes = deliveryBytes(delivery);
    const { frozen } = delivery;
    const head: Head = {
      i: delivery.eventId,
      m: delivery.model,
      s: delivery.schema,
      t: delivery.table,
      k: delivery.key,
      r: delivery.requestId,
      l: delivery.lsn,
      x: delivery.xid,
      c: delivery.committedAtMs,
      n: delivery.json.length,
    };
    // Most have none of these.
    if (frozen === undefined && bytes === delivery.json.length && delivery.isTest !== true) return head;
    return {
      ...head,
      ...(frozen === undefined ? {} : { f: { format: frozen.format, n: frozen.snapshots.length } }),
      ...(bytes === delivery.json.length ? {} : { b: bytes }),
      ...(delivery.isTest === true ? { test: true } : {}),
    };
  });
  return JSON.stringify({ v: PAYLOAD_VERSION, d: heads });
}

export function eventsOf(deliveries: readonly QueuedDelivery[]): string {
  return deliveries.map(({ json, frozen }) => json + (frozen?.snapshots ?? '')).join('');
}

/** Throws QUEUE_VERSION on a format of a newer version, QUEUE_JOB_DAMAGED on what is none. */
export function decodeJob(head: string, events: string): QueuedDelivery[] {
  let at = 0;
  const deliveries = headsOf(head).map((one): QueuedDelivery => {
    const json = events.slice(at, at + one.n);
    at += one.n;
    if (one.f === undefined) return described(one, json);
    const snapshots = events.slice(at, at + one.f.n);
    at += one.f.n;
    return { ...described(one, json), frozen: { format: one.f.format, snapshots } };
  });
  if (events.length < at) throw damaged(`${at} characters of Events`, String(events.length));
  return deliveries;
}

/** The Deliveries of a job without their Events, and what each counts for. Throws as {@link decodeJob} does. */
export function decodeHead(head: string): { readonly delivery: QueuedDelivery; readonly bytes: number }[] {
  return headsOf(head).map((one) => ({ delivery: described(one, ''), bytes: one.b ?? one.n }));
}

function headsOf(head: string): readonly Head[] {
  const { v, d } = parsedHead(head);
  if (typeof v === 'number' && v > PAYLOAD_VERSION) {
    throw new WalhookError('QUEUE_VERSION', `expected a job of format ${PAYLOAD_VERSION}, found format ${v}`);
  }
  const isWhole = Array.isArray(d) && d.every((one) => typeof one?.i === 'string' && Number.isInteger(one.n));
  if (v !== PAYLOAD_VERSION || !isWhole) throw damaged('a description of Deliveries', 'something else');
  return d as readonly Head[];
}

/** What the parser would say holds a piece of the text. */
function parsedHead(head: string): { readonly v?: unknown; readonly d?: unknown } {
  try {
    const parsed: unknown = JSON.parse(head);
    if (typeof parsed === 'object' && parsed !== null) return parsed;
  } catch {
    // Said below.
  }
  throw damaged('JSON that describes Deliveries', `${head.length} characters that do not`);
}

function damaged(expected: string, found: string): WalhookError {
  return new WalhookError('QUEUE_JOB_DAMAGED', `expected a job to hold ${expected}, found ${found}`);
}

function described(one: Head, json: string): QueuedDelivery {
  const delivery = {
    eventId: one.i,
    model: one.m,
    schema: one.s,
    table: one.t,
    key: one.k,
    requestId: one.r,
    lsn: one.l,
    xid: one.x,
    committedAtMs: one.c,
    json,
  };
  return one.test === true ? { ...delivery, isTest: true } : delivery;
}

/**
 * What stands in a job in place of a Delivery that was purged: the places of the others, by which a process
 * may have taken them, stay theirs.
 */
export const PURGED: QueuedDelivery = {
  eventId: '',
  model: '',
  schema: '',
  table: '',
  key: '',
  requestId: null,
  lsn: '0/0',
  xid: 0,
  committedAtMs: 0,
  json: '',
};

/** Parts of a head as they stand in it, to look for without parsing. */
export function headTokens(wanted: {
  readonly eventId?: string | undefined;
  readonly model?: string | undefined;
  readonly key?: string | undefined;
  readonly requestId?: string | undefined;
}): string[] {
  const named = { i: wanted.eventId, m: wanted.model, k: wanted.key, r: wanted.requestId };
  return Object.entries(named).flatMap(([name, value]) =>
    value === undefined ? [] : [`"${name}":${JSON.stringify(value)}`],
  );
}
