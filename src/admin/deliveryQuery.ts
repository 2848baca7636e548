/** Filters of Deliveries as they stand in a URL or a body, and as the queue takes them. */
import { parseDuration } from '../config/units.ts';
import { WalhookError } from '../core/errors.ts';
import { DELIVERY_STATES, type DeliveryFilter, type DeliveryState, MAX_IDS } from '../queue/inspect.ts';

/** The names in URLs, in the order in which links write them. */
export const FILTER_KEYS = [
  'webhook',
  'state',
  'model',
  'key',
  'request_id',
  'status',
  'since',
  'until',
] as const;
export type FilterKey = (typeof FILTER_KEYS)[number];

export type DeliveryQuery = Readonly<Partial<Record<FilterKey, string>>> & {
  readonly ids?: readonly string[];
};

/** What of a URL's query or a form's body is a filter; empty fields are none. */
export function queryOf(source: Readonly<Record<string, unknown>>): DeliveryQuery {
  const query: Partial<Record<FilterKey, string>> = {};
  for (const key of FILTER_KEYS) {
    const value = source[key];
    if (typeof value === 'string' && value.trim() !== '') query[key] = value.trim();
    else if (typeof value === 'number') query[key] = String(value);
  }
  const ids = source['ids'];
  const list =
    typeof ids === 'string' ? [ids] : Array.isArray(ids) ? ids.filter((id) => typeof id === 'string') : [];
  return list.length === 0 ? query : { ...query, ids: list };
}

/**
 * @param keys name → key of the Webhooks
 * @throws REQUEST_INVALID on a state or time that is none
 */
export function filterOf(
  query: DeliveryQuery,
  keys: ReadonlyMap<string, string>,
  nowMs: number,
): DeliveryFilter {
  const { webhook, state, model, key, request_id: requestId, status, since, until, ids } = query;
  if (ids !== undefined && ids.length > MAX_IDS) {
    throw new WalhookError('REQUEST_INVALID', `expected at most ${MAX_IDS} ids, found ${ids.length}`);
  }
  return {
    ...(ids === undefined ? {} : { ids }),
    ...(webhook === undefined ? {} : { webhook: keys.get(webhook) ?? webhook }),
    ...(state === undefined ? {} : { state: stateOf(state) }),
    ...(model === undefined ? {} : { model }),
    ...(key === undefined ? {} : { key }),
    ...(requestId === undefined ? {} : { requestId }),
    ...(status === undefined ? {} : { status }),
    ...(since === undefined ? {} : { sinceMs: timeOf('since', since, nowMs) }),
    ...(until === undefined ? {} : { untilMs: timeOf('until', until, nowMs) }),
  };
}

/** `?webhook=x&state=failed` */
export function searchOf(query: DeliveryQuery, more: Readonly<Record<string, string>> = {}): string {
  const params = new URLSearchParams();
  for (const key of FILTER_KEYS) {
    const value = query[key];
    if (value !== undefined) params.set(key, value);
  }
  for (const [key, value] of Object.entries(more)) params.set(key, value);
  const text = params.toString();
  return text === '' ? '' : `?${text}`;
}

function stateOf(text: string): DeliveryState {
  const state = DELIVERY_STATES.find((one) => one === text);
  if (state === undefined) {
    throw new WalhookError('REQUEST_INVALID', `expected state to be one of ${DELIVERY_STATES.join(', ')}`);
  }
  return state;
}

/** A time, or how long ago: `2026-01-01T00:00:00Z`, `2h`. */
function timeOf(name: string, text: string, nowMs: number): number {
  const ago = parseDuration(text);
  if (ago !== null) return nowMs - ago;
  // What a browser's field for date and time gives has no zone: it is taken for UTC, as all times are shown.
  const isZoned = /(?:Z|[+-]\d{2}:?\d{2})$/i.test(text);
  const ms = /^\d{4}-\d{2}-\d{2}/.test(text)
    ? Date.parse(isZoned || text.length <= 10 ? text : `${text}Z`)
    : Number.NaN;
  if (Number.isNaN(ms)) {
    throw new WalhookError(
      'REQUEST_INVALID',
      `expected ${name} to be a time such as 2026-01-01T00:00:00Z, or 2h for two hours ago`,
    );
  }
  return ms;
}
