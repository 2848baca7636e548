/**
 * What a Webhook would do with an Event: the whole decision, explained, and the request it would become.
 * Pure; nothing is sent, and identity, time and signatures, which are of an Attempt, are left out.
 */
import type { Context } from '../change/context.ts';
import type { ChangeKind } from '../change/transaction.ts';
import { type ErrorCode, toWalhookError } from '../core/errors.ts';
import { type Json, type JsonObject, parseJson } from '../core/json.ts';
import type { WebhookDefinition } from '../definitions/webhooks.ts';
import { eventForConditions } from '../deliver/payload.ts';
import { prepareRequest } from '../deliver/request.ts';
import { because } from '../match/conditions/because.ts';
import { viewOfEvent } from '../match/conditions/eventView.ts';
import { explain } from '../match/conditions/explain.ts';
import type { ConditionView } from '../match/conditions/view.ts';
import { decide, type Verdict } from '../match/decide.ts';
import { Matcher, type MatchTarget } from '../match/match.ts';
import { deliveryOf, isChangeKind } from './eventInput.ts';

export type TrialRequest = {
  readonly method: string;
  readonly url: string;
  /** By name in lower case. */
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
};

export type TrialError = { readonly code: ErrorCode; readonly message: string };

/** What `walhook try` prints for each Event. */
export type TrialResult = {
  readonly matched: boolean;
  readonly explain: JsonObject;
  readonly request: TrialRequest | null;
  readonly error: TrialError | null;
};

/** @param userAgent e.g. `walhook/0.1.0` */
export function tryEvent(definition: WebhookDefinition, event: JsonObject, userAgent: string): TrialResult {
  const { match } = definition;
  const view = viewOfEvent(seenBy(match, event));
  const verdict = verdictOf(match, event, view);
  const explained = explainDecision(match, event, view, verdict);
  const result = { matched: verdict.kind === 'matched', explain: explained, request: null, error: null };
  if (verdict.kind === 'failed') {
    const code = verdict.reason === 'condition' ? 'CONDITION_FAILED' : 'CONDITION_UNAVAILABLE';
    return { ...result, error: { code, message: verdict.detail } };
  }
  if (!result.matched) return result;
  try {
    return { ...result, request: requestOf(definition, event, userAgent) };
  } catch (error) {
    const { code, message } = toWalhookError(error);
    return { ...result, error: { code, message } };
  }
}

/** Conditions see the row with the names and values of the webhook's payload format. */
function seenBy({ format }: MatchTarget, event: JsonObject): JsonObject {
  if (format === 'walhook') return event;
  return parseJson(eventForConditions(deliveryOf(event), format)) as JsonObject;
}

type TrialVerdict = Verdict | { readonly kind: 'not_matched'; readonly by: 'enabled' | 'models' | 'events' };

function verdictOf(match: MatchTarget, event: JsonObject, view: ConditionView): TrialVerdict {
  const model = textOf(event['model']) ?? '';
  const kind = kindOf(event);
  if (!match.enabled) return { kind: 'not_matched', by: 'enabled' };
  const matcher = new Matcher([match]);
  if (matcher.watching(model).length === 0) return { kind: 'not_matched', by: 'models' };
  if (matcher.targets(model, kind).length === 0) return { kind: 'not_matched', by: 'events' };
  return decide(match, contextOf(event), () => view);
}

/** Every setting that has a say, each with what it saw, and which of them decided. */
function explainDecision(
  match: MatchTarget,
  event: JsonObject,
  view: ConditionView,
  verdict: TrialVerdict,
): JsonObject {
  const context = contextOf(event);
  const known = { username: context.username, request_id: context.requestId };
  const missing = match.require.filter((name) => known[name] === null);
  const columns = view.event.event === 'updated' ? match.columns : null;
  const conditions = explain(match.conditions, view);
  const columnsExplained = columns === null ? null : explain(columns, view);
  const by = verdict.kind === 'not_matched' ? verdict.by : null;
  const decisive = because(by === 'columns' && columnsExplained !== null ? columnsExplained : conditions);
  const isByConditions = by === 'columns' || by === 'conditions' || by === 'on_unavailable';
  return {
    decided_by: by ?? (verdict.kind === 'failed' ? 'error' : null),
    because: isByConditions || verdict.kind === 'failed' ? decisive : [],
    enabled: match.enabled,
    model: { expected: [...match.models], found: event['model'] ?? null },
    event: { expected: [...match.events], found: event['event'] ?? null },
    require: { expected: [...match.require], missing },
    columns: columnsExplained,
    conditions,
    on_unavailable: match.onUnavailable,
  };
}

function requestOf(definition: WebhookDefinition, event: JsonObject, userAgent: string): TrialRequest {
  const request = prepareRequest(definition.deliver, deliveryOf(event), { nowMs: 0, userAgent });
  return {
    method: request.method,
    url: request.origin + request.path,
    headers: shownHeaders(request.headers),
    body: request.body.toString('utf8'),
  };
}

/** What the definition decides. */
function shownHeaders(headers: readonly (readonly [string, string])[]): Record<string, string> {
  const ofAttempt = new Set([
    'user-agent',
    'webhook-id',
    'webhook-timestamp',
    'webhook-signature',
    'x-hook-signature',
  ]);
  const shown: [string, string][] = [];
  for (const [name, value] of headers) {
    const lower = name.toLowerCase();
    if (!ofAttempt.has(lower)) shown.push([lower, lower === 'authorization' ? '[secret]' : value]);
  }
  return Object.fromEntries(shown);
}

function contextOf(event: JsonObject): Context {
  return { username: textOf(event['username']), requestId: textOf(event['request_id']) };
}

function kindOf(event: JsonObject): ChangeKind {
  const kind = event['event'];
  return isChangeKind(kind) ? kind : 'updated';
}

/** An empty text is unknown. */
function textOf(value: Json | undefined): string | null {
  return typeof value === 'string' && value !== '' ? value : null;
}
