/** Deliveries as `--json` and the API show them. Keys are added, never changed. Pure. */
import type { LoggedAttempt, ReceivedResponse, SentRequest } from '../queue/attempt.ts';
import type { DeliveryDetail, DeliveryState, DeliverySummary } from '../queue/inspect.ts';

export interface DeliveryJson {
  readonly id: string;
  readonly event_id: string;
  /** The webhook's key. */
  readonly webhook: string;
  readonly state: DeliveryState;
  readonly model: string;
  readonly key: string;
  readonly request_id: string | null;
  /** Times are ISO 8601, UTC. */
  readonly committed_at: string;
  readonly attempts: number;
  /** HTTP status of the last Attempt. */
  readonly status: number | null;
  readonly error: string | null;
  readonly detail: string | null;
  readonly last_attempt_at: string | null;
  readonly duration_ms: number | null;
  readonly next_at: string | null;
  readonly ended_at: string | null;
  readonly resent: boolean;
}

export interface AttemptJson {
  readonly started_at: string;
  readonly duration_ms: number;
  /** From the start to the head of the response. */
  readonly response_ms: number | null;
  readonly status: number | null;
  readonly error: string | null;
  readonly detail: string | null;
  readonly next_at: string | null;
  readonly response: {
    readonly headers: readonly (readonly [string, string])[];
    readonly body: string | null;
    readonly encoding: 'utf8' | 'base64';
    readonly truncated: boolean;
  } | null;
}

export interface DeliveryDetailJson extends DeliveryJson {
  readonly schema: string;
  readonly table: string;
  readonly lsn: string;
  readonly xid: number;
  /** The Event's JSON as text, byte for byte; null where it is not kept. */
  readonly event: string | null;
  readonly request: {
    readonly method: string;
    readonly url: string;
    readonly headers: readonly (readonly [string, string])[];
    /** null: see body_is. */
    readonly body: string | null;
    readonly body_is: SentRequest['bodyIs'];
    readonly body_bytes: number;
  } | null;
  readonly log: readonly AttemptJson[];
}

export function deliveryJson(delivery: DeliverySummary): DeliveryJson {
  return {
    id: delivery.id,
    event_id: delivery.eventId,
    webhook: delivery.webhook,
    state: delivery.state,
    model: delivery.model,
    key: delivery.key,
    request_id: delivery.requestId,
    committed_at: isoTime(delivery.committedAtMs),
    attempts: delivery.attempts,
    status: delivery.status,
    error: delivery.error,
    detail: delivery.detail,
    last_attempt_at: isoTimeOrNull(delivery.lastAttemptMs),
    duration_ms: delivery.durationMs,
    next_at: isoTimeOrNull(delivery.nextMs),
    ended_at: isoTimeOrNull(delivery.endedMs),
    resent: delivery.isResent,
  };
}

export function deliveryDetailJson(delivery: DeliveryDetail): DeliveryDetailJson {
  const { schema, table, lsn, xid, event, request, log } = delivery;
  return {
    ...deliveryJson(delivery),
    schema,
    table,
    lsn,
    xid,
    event,
    request:
      request === null
        ? null
        : {
            method: request.method,
            url: request.url,
            headers: request.headers,
            body: request.body,
            body_is: request.bodyIs,
            body_bytes: request.bodyBytes,
          },
    log: log.map(attemptJson),
  };
}

function attemptJson(attempt: LoggedAttempt): AttemptJson {
  return {
    started_at: isoTime(attempt.startedMs),
    duration_ms: attempt.durationMs,
    response_ms: attempt.responseMs,
    status: attempt.status,
    error: attempt.error,
    detail: attempt.detail,
    next_at: isoTimeOrNull(attempt.nextMs),
    response: attempt.response === null ? null : responseJson(attempt.response),
  };
}

function responseJson({ headers, body, encoding, isTruncated }: ReceivedResponse): AttemptJson['response'] {
  return { headers, body, encoding, truncated: isTruncated };
}

function isoTime(ms: number): string {
  return new Date(ms).toISOString();
}

function isoTimeOrNull(ms: number | null): string | null {
  return ms === null ? null : isoTime(ms);
}
