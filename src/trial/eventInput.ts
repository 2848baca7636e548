/** Events given by hand: one JSON object, an array of them, or NDJSON. */
import type { ChangeKind } from '../change/transaction.ts';
import { WalhookError } from '../core/errors.ts';
import { type Json, type JsonObject, jsonString, parseJson, stringifyJson } from '../core/json.ts';
import type { QueuedDelivery } from '../queue/delivery.ts';

const KINDS: readonly string[] = ['created', 'updated', 'deleted', 'truncated'] satisfies ChangeKind[];
/** More Events than this are not tried in one go. */
const MAX_EVENTS = 100_000;

export function isChangeKind(value: Json | undefined): value is ChangeKind {
  return typeof value === 'string' && KINDS.includes(value);
}

/** Reads the text. Throws EVENT_INVALID, which says which Event and what is wrong with it. */
export function readEvents(text: string): JsonObject[] {
  const values = parseAll(text.replace(/^\ufeff/, '').trim());
  if (values.length > MAX_EVENTS)
    throw invalid(`expected at most ${MAX_EVENTS} Events, found ${values.length}`);
  return values.map((value, i) => checkedEvent(value, values.length === 1 ? 'the Event' : `Event ${i + 1}`));
}

function parseAll(text: string): Json[] {
  try {
    const value = parseJson(text);
    return Array.isArray(value) ? value : [value];
  } catch (error) {
    const lines = text.split('\n').filter((one) => one.trim() !== '');
    if (lines.length < 2) throw invalid(`expected JSON: ${error instanceof Error ? error.message : ''}`);
    return lines.map((one, i) => {
      try {
        return parseJson(one);
      } catch (inner) {
        throw invalid(
          `expected one JSON object per line: line ${i + 1}: ${inner instanceof Error ? inner.message : ''}`,
        );
      }
    });
  }
}

/**
 * An Event has to say what happened to a row of which model. What is wrong with `data` and `snapshots` is for
 * conditions and templates to meet: one that is no object counts as absent.
 */
export function checkedEvent(value: Json, what: string): JsonObject {
  if (!isObject(value)) throw invalid(`expected ${what} to be an object`);
  const { event, model } = value;
  if (!isChangeKind(event)) throw invalid(`expected ${what} to have event: ${KINDS.join(', ')}`);
  if (typeof model !== 'string') throw invalid(`expected ${what} to have the text model`);
  return value;
}

/** The Event's own keys in their order, as the default body has them. */
export function eventText(event: JsonObject): string {
  const keys = ['event', 'timestamp', 'model', 'username', 'request_id', 'data', 'snapshots'];
  const members = keys.map((key) => `${jsonString(key)}:${stringifyJson(event[key] ?? null)}`);
  const { unavailable } = event;
  if (isObject(unavailable ?? null) && Object.keys(unavailable as JsonObject).length > 0) {
    members.push(`"unavailable":${stringifyJson(unavailable as JsonObject)}`);
  }
  return `{${members.join(',')}}`;
}

/** An Event as if it had waited in the queue. What only a real Change has is taken from optional keys. */
export function deliveryOf(event: JsonObject): QueuedDelivery {
  const text = (key: string, fallback: string) => (typeof event[key] === 'string' ? event[key] : fallback);
  return {
    eventId: text('event_id', '00000000-0000000000000000-00000000-00000000'),
    model: text('model', ''),
    schema: text('schema', 'public'),
    table: text('table', text('model', '')),
    key: '',
    requestId: typeof event['request_id'] === 'string' ? event['request_id'] : null,
    lsn: text('lsn', '0/0'),
    xid: typeof event['xid'] === 'number' ? event['xid'] : 0,
    committedAtMs: 0,
    json: eventText(event),
  };
}

function isObject(value: Json | undefined): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function invalid(message: string): WalhookError {
  return new WalhookError('EVENT_INVALID', message);
}
