/**
 * The view of an Event that is at hand as a whole, as JSON in the documented shape.
 *
 * Lenient about what the Event lacks: a missing key is what NetBox takes it for, and a value of another
 * type than documented counts as absent. Whether the Event is of the documented shape is checked elsewhere.
 */
import type { Json, JsonObject } from '../../core/json.ts';
import type { EventKey } from './condition.ts';
import {
  type ConditionView,
  type Lookup,
  type RowView,
  type SnapshotView,
  UNAVAILABLE,
  type Unavailable,
  type UnavailableReason,
} from './view.ts';

/**
 * An Event does not tell a numeric from text. Unless told by `isDecimal`, the view takes text for a numeric
 * wherever it meets a number and has the form of one, so that numerics compare as they do in the daemon.
 */
export function viewOfEvent(
  event: JsonObject,
  isDecimal: ConditionView['isDecimal'] = () => true,
): ConditionView {
  const unavailable = objectAt(event, 'unavailable') ?? {};
  const snapshots = objectAt(event, 'snapshots') ?? {};
  const data = objectAt(event, 'data');
  return {
    data: data === undefined ? null : new EventRow(data, objectAt(unavailable, 'data')),
    prechange: snapshotOf(snapshots, unavailable, 'prechange'),
    postchange: snapshotOf(snapshots, unavailable, 'postchange'),
    event: {
      event: textAt(event, 'event'),
      model: textAt(event, 'model'),
      username: textAt(event, 'username'),
      request_id: textAt(event, 'request_id'),
    },
    isDecimal,
  };
}

class EventRow implements RowView {
  readonly #row: JsonObject;
  readonly #unavailable: JsonObject;

  constructor(row: JsonObject, unavailable: JsonObject = {}) {
    this.#row = row;
    this.#unavailable = unavailable;
  }

  get(key: string): Lookup {
    if (Object.hasOwn(this.#unavailable, key)) return unavailableFor(this.#unavailable[key]);
    if (Object.hasOwn(this.#row, key)) return this.#row[key];
    // "*": every key but those that the row has.
    return Object.hasOwn(this.#unavailable, '*') ? unavailableFor(this.#unavailable['*']) : undefined;
  }
}

function snapshotOf(
  snapshots: JsonObject,
  unavailable: JsonObject,
  side: 'prechange' | 'postchange',
): SnapshotView {
  if (Object.hasOwn(snapshots, side) && snapshots[side] === null) return null;
  const row = objectAt(snapshots, side);
  return row === undefined ? undefined : new EventRow(row, objectAt(unavailable, side));
}

/** A reason this version does not know still means that the value is not there. */
function unavailableFor(reason: Json | undefined): Unavailable {
  const known = typeof reason === 'string' && Object.hasOwn(UNAVAILABLE, reason);
  return UNAVAILABLE[known ? (reason as UnavailableReason) : 'lookup'];
}

function objectAt(object: JsonObject, key: string): JsonObject | undefined {
  const value = Object.hasOwn(object, key) ? object[key] : undefined;
  return typeof value === 'object' && value !== null && !Array.isArray(value) ? value : undefined;
}

function textAt(object: JsonObject, key: EventKey): string | null {
  const value = Object.hasOwn(object, key) ? object[key] : undefined;
  return typeof value === 'string' ? value : null;
}
