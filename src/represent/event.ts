/**
 * Builds the Event: the JSON that a Webhook's templates and conditions see and that is sent when it has no
 * body template. Exactly these keys in this order: event, timestamp, model, username, request_id, data,
 * snapshots, and `unavailable` where something is missing.
 *
 * The Event leaves here as its final text and is not parsed again on its way to the receiver.
 */
import type { Context } from '../change/context.ts';
import { type Image, type Images, imagesOf, type Missing, rowKey } from '../change/images.ts';
import type { Table } from '../change/table.ts';
import type { Change } from '../change/transaction.ts';
import { hash8 } from '../core/hash.ts';
import { jsonString } from '../core/json.ts';
import { lsnToHex } from '../core/lsn.ts';
import type { RowImages } from '../decode/messages.ts';

export interface EventLimits {
  /** `limits.value`: bytes of one value's text. */
  readonly valueBytes: number;
  /** `limits.event`: bytes of the Event. */
  readonly eventBytes: number;
}

export interface BuiltEvent {
  /** `<generation>-<commit LSN>-<index>-<object>`. */
  readonly id: string;
  /** The row's key; '' for a truncated table. */
  readonly key: string;
  readonly json: string;
}

/** Microseconds since the Unix epoch → `2023-08-07T19:30:23.140019Z`. */
export function formatTimestamp(us: bigint): string {
  const ms = us / 1000n - (us % 1000n < 0n ? 1n : 0n);
  const micros = us - ms * 1000n;
  return `${new Date(Number(ms)).toISOString().slice(0, -1)}${String(micros).padStart(3, '0')}Z`;
}

/**
 * The id of an Event. Ids of one Generation sort in commit order.
 *
 * @param object what tells apart the Events that one Change makes: model name and row key
 */
export function eventId(generation: string, change: Change, object: string): string {
  const index = change.index.toString(16).padStart(8, '0');
  return `${generation}-${lsnToHex(change.transaction.commitLsn)}-${index}-${hash8(object)}`;
}

/** Builds the Event of one Change. */
export function buildEvent(
  change: Change,
  table: Table,
  rows: RowImages | null,
  context: Context,
  generation: string,
  limits: EventLimits,
): BuiltEvent {
  const tuple = rows?.new ?? (rows?.old.kind === 'none' ? null : (rows?.old.tuple ?? null));
  const key = tuple === null ? '' : rowKey(table, tuple);
  const images =
    rows === null
      ? { before: null, after: null }
      : imagesOf(table, rows, change.kind === 'created', limits.valueBytes);
  const envelope = envelopeOf(change, table, context);
  return {
    id: eventId(generation, change, `${table.model}\0${key}`),
    key,
    json: envelope + rowPart(table, withinLimit(images, limits.eventBytes - envelope.length - 100)),
  };
}

/** The Event of a Change whose row could not be had: it says so where the row would be. */
export function buildUnreadableEvent(
  change: Change,
  table: Table,
  context: Context,
  generation: string,
  reason: 'too_large' | 'undecodable',
): BuiltEvent {
  const before = change.kind === 'created' ? 'null' : '{}';
  const after = change.kind === 'deleted' ? 'null' : '{}';
  const missing = (name: string) => `"${name}":{"*":"${reason}"}`;
  const unavailable = [
    missing('data'),
    ...(before === 'null' ? [] : [missing('prechange')]),
    ...(after === 'null' ? [] : [missing('postchange')]),
  ];
  return {
    id: eventId(generation, change, `${table.model}\0`),
    key: '',
    json:
      `${envelopeOf(change, table, context)},"data":{},"snapshots":{"prechange":${before},"postchange":${after}}` +
      `,"unavailable":{${unavailable.join(',')}}}`,
  };
}

function envelopeOf(change: Change, table: Table, context: Context): string {
  return (
    `{"event":"${change.kind}","timestamp":"${formatTimestamp(change.transaction.committedAtUs)}"` +
    `,"model":${jsonString(table.model)},"username":${orNull(context.username)}` +
    `,"request_id":${orNull(context.requestId)}`
  );
}

function orNull(text: string | null): string {
  return text === null ? 'null' : jsonString(text);
}

function rowPart(table: Table, images: Images): string {
  const before = images.before === null ? 'null' : imageJson(table, images.before);
  const after = images.after === null ? 'null' : imageJson(table, images.after);
  const data = images.after === null ? before : after;
  const unavailable = unavailableJson(table, images);
  return `,"data":${data},"snapshots":{"prechange":${before},"postchange":${after}}${unavailable}}`;
}

function imageJson(table: Table, image: Image): string {
  let json = '';
  for (let i = 0; i < table.columns.length; i += 1) {
    const fragment = image.fragments[i];
    if (fragment === null || fragment === undefined) continue;
    json += (json === '' ? '' : ',') + table.columns[i]?.jsonPrefix + fragment;
  }
  return `{${json}}`;
}

function unavailableJson(table: Table, images: Images): string {
  const state = images.after ?? images.before;
  const parts = [
    ['data', state],
    ['prechange', images.before],
    ['postchange', images.after],
  ] as const;
  const members = parts.flatMap(([name, image]) => {
    const reasons = image === null ? '' : missingJson(table, image);
    return reasons === '' ? [] : [`"${name}":{${reasons}}`];
  });
  return members.length === 0 ? '' : `,"unavailable":{${members.join(',')}}`;
}

function missingJson(table: Table, image: Image): string {
  if (image.missing === null) return '';
  const reasons = image.isKeyOnly ? ['"*":"identity"'] : [];
  image.missing.forEach((reason, i) => {
    if (reason !== null && reason !== 'identity') reasons.push(`${table.columns[i]?.jsonPrefix}"${reason}"`);
  });
  return reasons.join(',');
}

/** Takes the largest values out of both images until the Event fits. */
function withinLimit(images: Images, maxBytes: number): Images {
  // `data` repeats the newest image. A UTF-16 unit is at most three bytes of UTF-8.
  const weigh = (image: Image | null, times: number) =>
    (image?.fragments ?? []).reduce((sum, fragment) => sum + (fragment?.length ?? 0) * times, 0);
  const newestTimes = 2;
  const upperBound =
    3 * (weigh(images.after, newestTimes) + weigh(images.before, images.after === null ? newestTimes : 1));
  if (upperBound <= maxBytes) return images;

  const values = [
    ...sized(images.before, 'before', images.after === null ? newestTimes : 1),
    ...sized(images.after, 'after', newestTimes),
  ].sort((a, b) => b.bytes - a.bytes);
  let total = values.reduce((sum, value) => sum + value.bytes, 0);
  const drop = { before: new Set<number>(), after: new Set<number>() };
  for (const value of values) {
    if (total <= maxBytes) break;
    drop[value.side].add(value.column);
    total -= value.bytes;
  }
  return { before: without(images.before, drop.before), after: without(images.after, drop.after) };
}

function sized(image: Image | null, side: 'before' | 'after', times: number) {
  return (image?.fragments ?? []).flatMap((fragment, column) =>
    fragment === null ? [] : [{ side, column, bytes: Buffer.byteLength(fragment) * times }],
  );
}

function without(image: Image | null, columns: ReadonlySet<number>): Image | null {
  if (image === null || columns.size === 0) return image;
  const reason = (i: number): Missing | null => (columns.has(i) ? 'too_large' : (image.missing?.[i] ?? null));
  return {
    fragments: image.fragments.map((fragment, i) => (columns.has(i) ? null : fragment)),
    missing: image.fragments.map((_, i) => reason(i)),
    isKeyOnly: image.isKeyOnly,
  };
}
