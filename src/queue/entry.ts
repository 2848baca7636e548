/**
 * What has ended, as the log keeps it: an entry per Delivery with every Attempt made for it.
 *
 * An entry has three parts that end at different times: its head (who, what, when, every Attempt's status),
 * the Event (needed to send it again) and the bodies (the last request, every response). While a Delivery is
 * still being tried, its trace (Attempts and bodies) travels with its job. Pure.
 */

import { WalhookError } from '../core/errors.ts';
import type { ForeignFormat } from '../core/eventFormat.ts';
import {
  type AttemptRecord,
  type LoggedAttempt,
  MAX_LOGGED_RESPONSE_BYTES,
  type ReceivedResponse,
  type SentRequest,
} from './attempt.ts';
import { deliveryId, eventsOf, type QueuedDelivery } from './delivery.ts';
import type { DeliveryDetail, DeliverySummary } from './inspect.ts';
import type { Sealer } from './seal.ts';

/** What `log.payloads` keeps of requests and responses: all · no bodies · neither heads nor bodies. */
export type LogPayloads = 'full' | 'metadata' | 'none';

export type EndState = 'delivered' | 'failed' | 'cancelled';

/** As the stores hold it; empty texts stand for what is not there. */
export interface Entry {
  readonly id: string;
  readonly webhook: string;
  readonly state: EndState;
  readonly model: string;
  readonly key: string;
  readonly requestId: string;
  /** Of the last Attempt: an HTTP status, else the word of its error. */
  readonly status: string;
  readonly committedMs: number;
  readonly endedMs: number;
  readonly head: string;
  /** Sealed. */
  readonly event: string;
  /** Sealed. */
  readonly bodies: string;
}

/** Attempts made so far for a Delivery in a job, opaque to the store; empty before the first. */
export interface Trace {
  readonly history: string;
  /** Sealed. */
  readonly bodies: string;
}

export const NO_TRACE: Trace = { history: '', bodies: '' };

/**
 * Why a Delivery failed whose condition could not be evaluated, as capture says it. A condition that is wrong
 * is wrong for every Change: of these the newest are kept per Webhook, and the others are only counted.
 */
export const UNDECIDED = ['condition', 'unavailable'] as const;
export const MAX_UNDECIDED = 1_000;

/** What an entry counts for in `retention.bytes` beside its texts: its places in the indexes, roughly. */
export const ENTRY_OVERHEAD_BYTES = 600;
/** Of all responses of one Delivery; the oldest bodies go first. */
const MAX_BODIES_LENGTH = 128 * 1_024;
const MAX_REQUEST_LENGTH = 64 * 1_024;

/** An Attempt without its response, by position: heads are many and are read by the stores too. */
export type AttemptRow = readonly [
  startedMs: number,
  durationMs: number,
  responseMs: number | null,
  status: number | null,
  error: string | null,
  detail: string | null,
  nextMs: number | null,
];

/** The head as it is stored. The Redis scripts read the first eight by their place. */
type HeadRow = readonly [
  webhook: string,
  state: EndState,
  model: string,
  key: string,
  requestId: string,
  status: string,
  committedMs: number,
  endedMs: number,
  eventId: string,
  schema: string,
  table: string,
  lsn: string,
  xid: number,
  resent: number,
  error: string | null,
  detail: string | null,
  isTest: 0 | 1,
  attempts: readonly AttemptRow[],
  /** Of another payload format: its name, and where its snapshots begin behind the Event. */
  frozen: readonly [format: ForeignFormat, at: number] | null,
];

interface History {
  readonly resent: number;
  readonly attempts: readonly AttemptRow[];
}

interface Bodies {
  readonly request: SentRequest | null;
  readonly responses: readonly (ReceivedResponse | null)[];
}

const NO_HISTORY: History = { resent: 0, attempts: [] };
const NO_BODIES: Bodies = { request: null, responses: [] };

function readHistory(text: string): History {
  if (text === '') return NO_HISTORY;
  try {
    return JSON.parse(text) as History;
  } catch {
    // What the parser would say holds a piece of the text.
    throw new WalhookError('QUEUE_JOB_DAMAGED', 'expected a job to hold its Attempts, found something else');
  }
}

function readBodies(text: string, sealer: Sealer): Bodies {
  return text === '' ? NO_BODIES : (JSON.parse(sealer.open(text)) as Bodies);
}

/** The trace with one more Attempt. */
export function traced(
  trace: Trace,
  attempt: AttemptRecord | undefined,
  nextMs: number | null,
  { payloads, sealer }: { readonly payloads: LogPayloads; readonly sealer: Sealer },
): Trace {
  if (attempt === undefined) return trace;
  const { resent, attempts } = readHistory(trace.history);
  const history = historyOf({ resent, attempts: [...attempts, attemptRow(attempt, nextMs)] });
  if (payloads === 'none') return { history, bodies: '' };
  const before = readBodies(trace.bodies, sealer);
  const responses = attempts.map((_, i) => before.responses[i] ?? null);
  const bodies: Bodies = {
    request: keptRequest(attempt.request, payloads),
    responses: withinBound([...responses, keptResponse(attempt.response, payloads)]),
  };
  return { history, bodies: sealedBodies(bodies, sealer) };
}

export function attemptRow(attempt: AttemptRecord, nextMs: number | null): AttemptRow {
  const { startedMs, durationMs, responseMs, status, error, detail } = attempt;
  return [startedMs, durationMs, responseMs, status, error, detail, nextMs];
}

export function historyOf(history: History): string {
  return JSON.stringify(history);
}

export function sealedBodies(bodies: Bodies, sealer: Sealer): string {
  return sealer.seal(JSON.stringify(bodies));
}

/** The trace of a Delivery that is sent again by hand. */
export function resentTrace(trace: Trace): Trace {
  const { resent, attempts } = readHistory(trace.history);
  return {
    history: historyOf({ resent: resent + 1, attempts }),
    bodies: trace.bodies,
  };
}

/** What stands in a history with an Attempt of this result (see {@link AttemptRow}), to look for without parsing. */
export function historyToken(status: string): string {
  return `,${/^\d+$/.test(status) ? status : JSON.stringify(status)},`;
}

export function isResent(history: string): boolean {
  return history !== '' && readHistory(history).resent > 0;
}

export function keptRequest(request: SentRequest | null, payloads: LogPayloads): SentRequest | null {
  if (request === null || request.body === null) return request;
  if (payloads === 'metadata') return { ...request, body: null, bodyIs: 'absent' };
  if (request.body.length <= MAX_REQUEST_LENGTH) return request;
  return { ...request, body: request.body.slice(0, MAX_REQUEST_LENGTH), bodyIs: 'cut' };
}

export function keptResponse(
  response: ReceivedResponse | null,
  payloads: LogPayloads,
): ReceivedResponse | null {
  if (response === null || response.body === null) return response;
  if (payloads === 'metadata') return { ...response, body: null };
  // base64 of the bound is a third longer.
  if (response.body.length <= MAX_LOGGED_RESPONSE_BYTES * 1.4) return response;
  return { ...response, body: response.body.slice(0, MAX_LOGGED_RESPONSE_BYTES), isTruncated: true };
}

function withinBound(responses: readonly (ReceivedResponse | null)[]): (ReceivedResponse | null)[] {
  let left = MAX_BODIES_LENGTH;
  return responses
    .toReversed()
    .map((response) => {
      left -= response?.body?.length ?? 0;
      return response === null || left >= 0 ? response : { ...response, body: null, isTruncated: true };
    })
    .toReversed();
}

export interface Ending {
  readonly webhook: string;
  readonly delivery: QueuedDelivery;
  readonly state: EndState;
  readonly endedMs: number;
  /** Why it was no success. */
  readonly reason: string | null;
  readonly detail: string | null;
  readonly trace: Trace;
}

/** The entry of a Delivery that has ended. The Event stays with what may have to be sent again. */
export function entryOf(
  ending: Ending,
  { payloads, sealer }: { readonly payloads: LogPayloads; readonly sealer: Sealer },
): Entry {
  const { webhook, delivery, state, endedMs, reason, detail, trace } = ending;
  const { resent, attempts } = readHistory(trace.history);
  const last = attempts.at(-1);
  const status = String(last?.[3] ?? last?.[4] ?? reason ?? '');
  const isKept = payloads === 'full' || state !== 'delivered';
  const event = isKept ? sealer.seal(eventsOf([delivery])) : '';
  const id = deliveryId(delivery.eventId, webhook);
  const requestId = delivery.requestId ?? '';
  const head: HeadRow = [
    webhook,
    state,
    delivery.model,
    delivery.key,
    requestId,
    status,
    delivery.committedAtMs,
    endedMs,
    delivery.eventId,
    delivery.schema,
    delivery.table,
    delivery.lsn,
    delivery.xid,
    resent,
    reason,
    detail,
    delivery.isTest === true ? 1 : 0,
    attempts,
    delivery.frozen === undefined ? null : [delivery.frozen.format, delivery.json.length],
  ];
  return {
    id,
    webhook,
    state,
    model: delivery.model,
    key: delivery.key,
    requestId,
    status,
    committedMs: delivery.committedAtMs,
    endedMs,
    head: JSON.stringify(head),
    event,
    bodies: trace.bodies,
  };
}

/** An entry as a list shows it. */
export function summaryOfEntry(head: string): DeliverySummary {
  const row = JSON.parse(head) as HeadRow;
  const [webhook, state, model, key, requestId, , committedAtMs, endedMs] = row;
  const [eventId, resent, error, detail, attempts] = [row[8], row[13], row[14], row[15], row[17]];
  return {
    id: deliveryId(eventId, webhook),
    webhook,
    state,
    model,
    key,
    requestId: requestId === '' ? null : requestId,
    eventId,
    committedAtMs,
    ...lastOf(attempts),
    error,
    detail,
    nextMs: null,
    endedMs,
    isResent: resent > 0,
  };
}

export function detailOfEntry(head: string, event: string, bodies: string, sealer: Sealer): DeliveryDetail {
  const row = JSON.parse(head) as HeadRow;
  const kept = readBodies(bodies, sealer);
  return {
    ...summaryOfEntry(head),
    schema: row[9],
    table: row[10],
    lsn: row[11],
    xid: row[12],
    event: event === '' ? null : splitEvent(row, sealer.open(event)).json,
    request: kept.request,
    log: loggedAttempts(row[17], kept),
  };
}

/** The Delivery of an entry, to be queued again; null where the log does not hold its Event. */
export function deliveryOfEntry(head: string, event: string, sealer: Sealer): QueuedDelivery | null {
  if (event === '') return null;
  const row = JSON.parse(head) as HeadRow;
  return {
    eventId: row[8],
    model: row[2],
    schema: row[9],
    table: row[10],
    key: row[3],
    requestId: row[4] === '' ? null : row[4],
    lsn: row[11],
    xid: row[12],
    committedAtMs: row[6],
    ...splitEvent(row, sealer.open(event)),
    ...(row[16] === 1 ? { isTest: true } : {}),
  };
}

function splitEvent(row: HeadRow, text: string): Pick<QueuedDelivery, 'json' | 'frozen'> {
  // An entry that was brought from format 1 ends before this.
  const frozen = row[18] ?? null;
  if (frozen === null) return { json: text };
  const [format, at] = frozen;
  return { json: text.slice(0, at), frozen: { format, snapshots: text.slice(at) } };
}

/** What an entry knows of the Attempts, to go on from when it is sent again. */
export function traceOfEntry(head: string, bodies: string): Trace {
  const row = JSON.parse(head) as HeadRow;
  return {
    history: historyOf({ resent: row[13], attempts: row[17] }),
    bodies,
  };
}

/** What a job's trace adds to its summary. */
export function summaryOfTrace(
  history: string,
): Pick<
  DeliverySummary,
  'attempts' | 'status' | 'error' | 'detail' | 'lastAttemptMs' | 'durationMs' | 'isResent'
> {
  const { resent, attempts } = readHistory(history);
  const last = attempts.at(-1);
  return {
    ...lastOf(attempts),
    error: last?.[4] ?? null,
    detail: last?.[5] ?? null,
    isResent: resent > 0,
  };
}

export function detailOfTrace(trace: Trace, sealer: Sealer): Pick<DeliveryDetail, 'request' | 'log'> {
  const bodies = readBodies(trace.bodies, sealer);
  return { request: bodies.request, log: loggedAttempts(readHistory(trace.history).attempts, bodies) };
}

function lastOf(
  attempts: readonly AttemptRow[],
): Pick<DeliverySummary, 'attempts' | 'status' | 'lastAttemptMs' | 'durationMs'> {
  const last = attempts.at(-1);
  return {
    attempts: attempts.length,
    status: last?.[3] ?? null,
    lastAttemptMs: last?.[0] ?? null,
    durationMs: last?.[1] ?? null,
  };
}

export function loggedAttempts(rows: readonly AttemptRow[], { responses }: Bodies): LoggedAttempt[] {
  return rows.map(([startedMs, durationMs, responseMs, status, error, detail, nextMs], i) => ({
    startedMs,
    durationMs,
    responseMs,
    status,
    error,
    detail,
    nextMs,
    response: responses[i] ?? null,
  }));
}
