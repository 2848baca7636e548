/** What an Attempt means for its Delivery. Pure: the caller brings time and randomness. */
import { scheduledDelayMs } from '../core/backoff.ts';
import type { ReceivedResponse } from '../queue/attempt.ts';
import type { Outcome } from '../queue/store.ts';
import { clampRetryAfter } from './retryAfter.ts';

/** How an Attempt ended. */
export type AttemptResult =
  | {
      readonly kind: 'response';
      readonly status: number;
      /** For the log. */
      readonly response?: ReceivedResponse;
      /** From the start to the response's head, for the log. */
      readonly responseMs?: number;
      /** What the receiver asks for, milliseconds from now; null where it asks for nothing. */
      readonly retryAfterMs?: number | null;
    }
  /** No response: refused, reset, name not found… `code` is the system's. */
  | { readonly kind: 'network'; readonly code: string }
  /** A certificate or handshake that was not accepted, by us or by the receiver. */
  | { readonly kind: 'tls'; readonly code: string }
  | { readonly kind: 'timeout'; readonly afterMs: number }
  /** No request could be made of the Event; trying again cannot help. */
  | {
      readonly kind: 'unsendable';
      readonly reason: 'template' | 'url' | 'header' | 'address';
      readonly detail: string;
    };

export interface RetryPolicy {
  readonly scheduleMs: readonly number[];
  readonly maxAgeMs: number;
  /** A 410: `pause` the Webhook, whose Deliveries then wait, or `fail` the one Delivery. */
  readonly onGone: 'pause' | 'fail';
}

/** Whether an Attempt says that the whole Webhook should rest. */
export function asksToPause(result: AttemptResult, policy: RetryPolicy): boolean {
  return isGone(result) && policy.onGone === 'pause';
}

function isGone(result: AttemptResult): boolean {
  return result.kind === 'response' && result.status === 410;
}

export interface AttemptContext {
  /** Attempts made, with this one. */
  readonly attempts: number;
  /** Since the commit. */
  readonly ageMs: number;
  readonly nowMs: number;
  /** A number in [0, 1). */
  readonly random: number;
}

/** Statuses that ask to try again later. */
const RETRIED_STATUSES = new Set([408, 425, 429]);
/** Tries of a Delivery that the receiver refuses: it may be misconfigured for a moment, not for hours. */
const MAX_REFUSED_ATTEMPTS = 3;

/** Any 2xx is a success. A 3xx is a failure and is never followed. */
export function decide(result: AttemptResult, policy: RetryPolicy, context: AttemptContext): Outcome {
  if (result.kind === 'unsendable') return fail(result.reason, result.detail, context);
  if (result.kind === 'response' && result.status >= 200 && result.status < 300) return { kind: 'delivered' };
  const { reason, detail } = describe(result);
  if (isGone(result)) {
    // Paused, it keeps its place and is the first to be tried after resume.
    return policy.onGone === 'pause' && context.attempts <= policy.scheduleMs.length
      ? { kind: 'retry', attempts: context.attempts, dueMs: context.nowMs }
      : fail('gone', detail, context);
  }
  if (isRefusal(result) && context.attempts >= MAX_REFUSED_ATTEMPTS) return fail(reason, detail, context);
  const stepMs = scheduledDelayMs(policy.scheduleMs, context.attempts, context.random);
  if (stepMs === null) return fail(reason, detail, context);
  const delayMs = clampRetryAfter(stepMs, result.kind === 'response' ? (result.retryAfterMs ?? null) : null);
  if (context.ageMs + delayMs > policy.maxAgeMs) {
    return fail(reason, `${detail}; older than retry.max_age`, context);
  }
  return { kind: 'retry', attempts: context.attempts, dueMs: context.nowMs + delayMs };
}

function isRefusal(result: AttemptResult): boolean {
  return result.kind === 'response' && result.status < 500 && !RETRIED_STATUSES.has(result.status);
}

function fail(reason: string, detail: string, context: AttemptContext): Outcome {
  return { kind: 'failed', attempts: context.attempts, reason, detail, failedAtMs: context.nowMs };
}

/** A stable word and a sentence for people. */
export function describe(result: Exclude<AttemptResult, { kind: 'unsendable' }>): {
  reason: string;
  detail: string;
} {
  switch (result.kind) {
    case 'response':
      return result.status >= 300 && result.status < 400
        ? { reason: 'redirect', detail: `HTTP ${result.status}; redirects are not followed` }
        : { reason: 'status', detail: `HTTP ${result.status}` };
    case 'network':
      return { reason: 'network', detail: `no response (${result.code})` };
    case 'tls':
      return { reason: 'tls', detail: `no trusted connection (${result.code})` };
    case 'timeout':
      return { reason: 'timeout', detail: `no complete response within ${result.afterMs} ms` };
  }
}
