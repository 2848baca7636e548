/**
 * The log of what was delivered at its first try: it stays in its job. What the job holds already (who, what,
 * the Events) is neither written again nor sent to the store again; a report adds one line of records and one
 * of exchanges for all its Deliveries of the job. When nothing of a job waits any more, it leaves the queue and
 * is part of the log until retention drops it as a whole. Whatever ends otherwise is an entry of its own
 * (entry.ts). Pure.
 *
 * A line of records is `seq [[index, endedMs, attempt], …]` with the number of the outcome, which the store
 * gives; a line of exchanges is that of exchangeLines.ts, sealed. Which of the records count, the mask
 * `logged` of the job says: what is resent or purged leaves it.
 */
import { WalhookError } from '../core/errors.ts';
import type { AttemptRecord, ReceivedResponse } from './attempt.ts';
import { deliveryId, type QueuedDelivery } from './delivery.ts';
import {
  type AttemptRow,
  attemptRow,
  historyOf,
  keptRequest,
  keptResponse,
  type LogPayloads,
  loggedAttempts,
  sealedBodies,
  type Trace,
} from './entry.ts';
import { type Exchanged, exchangeLine, readExchangeLine } from './exchangeLines.ts';
import type { DeliveryDetail, DeliverySummary } from './inspect.ts';
import type { Sealer } from './seal.ts';

/** A Delivery of a job that was delivered at its first try. */
export interface Delivered {
  readonly index: number;
  readonly endedMs: number;
  readonly attempt: AttemptRecord | undefined;
}

type RecordRow = readonly [index: number, endedMs: number, attempt: AttemptRow | null];

/** The two lines of a report, without line ends. Exchanges are empty where the log keeps none. */
export function deliveredLines(
  delivered: readonly Delivered[],
  { payloads, sealer }: { readonly payloads: LogPayloads; readonly sealer: Sealer },
): { readonly records: string; readonly exchanges: string } {
  const records = delivered.map(
    ({ index, endedMs, attempt }): RecordRow => [index, endedMs, attempt ? attemptRow(attempt, null) : null],
  );
  const exchanges: [number, Exchanged][] = [];
  let answer: ReceivedResponse | null = null;
  let response: ReceivedResponse | null = null;
  for (const { index, attempt } of delivered) {
    if (attempt === undefined || payloads === 'none') continue;
    const request = keptRequest(attempt.request, payloads);
    // An answer that is that of the Delivery before stays one object, and so stands in the line once.
    if (attempt.response !== answer) response = keptResponse(attempt.response, payloads);
    answer = attempt.response;
    exchanges.push([index, { request, response }]);
  }
  return {
    records: JSON.stringify(records),
    exchanges: exchanges.length === 0 ? '' : sealer.seal(exchangeLine(exchanges)),
  };
}

export interface DeliveredRecord {
  /** Number of the outcome. */
  readonly seq: number;
  readonly endedMs: number;
  /** null where nothing is known of it. */
  readonly attempt: AttemptRow | null;
}

/** By the Delivery's place in its job. Throws QUEUE_JOB_DAMAGED. */
export function readRecords(text: string): ReadonlyMap<number, DeliveredRecord> {
  const records = new Map<number, DeliveredRecord>();
  for (const line of linesOf(text)) {
    const space = line.indexOf(' ');
    const seq = Number(line.slice(0, space));
    for (const [index, endedMs, attempt] of parsed<RecordRow[]>(line.slice(space + 1))) {
      records.set(index, { seq, endedMs, attempt });
    }
  }
  return records;
}

function readExchanges(text: string, sealer: Sealer): ReadonlyMap<number, Exchanged> {
  return new Map(linesOf(text).flatMap((line) => readExchangeLine(sealer.open(line))));
}

/** The exchanges without those of some Deliveries. */
export function exchangesWithout(text: string, indexes: ReadonlySet<number>, sealer: Sealer): string {
  const kept = [...readExchanges(text, sealer)].filter(([index]) => !indexes.has(index));
  return kept.length === 0 ? '' : `${sealer.seal(exchangeLine(kept))}\n`;
}

/** As a list shows it. */
export function summaryOfDelivered(
  webhook: string,
  delivery: QueuedDelivery,
  { endedMs, attempt }: DeliveredRecord,
): DeliverySummary {
  const { eventId, model, key, requestId, committedAtMs } = delivery;
  return {
    id: deliveryId(eventId, webhook),
    webhook,
    state: 'delivered',
    model,
    key,
    requestId,
    eventId,
    committedAtMs,
    attempts: attempt === null ? 0 : 1,
    status: attempt?.[3] ?? null,
    lastAttemptMs: attempt?.[0] ?? null,
    durationMs: attempt?.[1] ?? null,
    error: null,
    detail: null,
    nextMs: null,
    endedMs,
    isResent: false,
  };
}

export function exchangeOfDelivered(
  index: number,
  { attempt }: DeliveredRecord,
  exchanges: string,
  sealer: Sealer,
): Pick<DeliveryDetail, 'request' | 'log'> {
  const { request, response } = readExchanges(exchanges, sealer).get(index) ?? NOTHING_EXCHANGED;
  const rows = attempt === null ? [] : [attempt];
  return { request, log: loggedAttempts(rows, { request, responses: [response] }) };
}

/** The trace of a Delivery that is sent again by hand. */
export function resentTraceOfDelivered(
  index: number,
  { attempt }: DeliveredRecord,
  exchanges: string,
  sealer: Sealer,
): Trace {
  const { request, response } = readExchanges(exchanges, sealer).get(index) ?? NOTHING_EXCHANGED;
  const isKept = request !== null || response !== null;
  return {
    history: historyOf({ resent: 1, attempts: attempt === null ? [] : [attempt] }),
    bodies: isKept ? sealedBodies({ request, responses: [response] }, sealer) : '',
  };
}

const NOTHING_EXCHANGED: Exchanged = { request: null, response: null };

function linesOf(text: string): string[] {
  return text.split('\n').filter((line) => line !== '');
}

function parsed<T>(text: string): T {
  try {
    return JSON.parse(text) as T;
  } catch {
    // What the parser would say holds a piece of the text.
    throw new WalhookError('QUEUE_JOB_DAMAGED', 'expected a job to hold its records, found something else');
  }
}
