/**
 * An Event with the names and values of Peering Manager's or NetBox's webhooks: what templates see and what
 * is sent without a body template. Pure, on the Event's JSON text: no digit is lost.
 *
 * Peering Manager: event, timestamp, model, username, request_id, data, snapshots. NetBox (4.6): event,
 * timestamp, object_type, username, request_id, data, request, snapshots. What is not at hand is said in
 * walhook's `unavailable` behind them. Snapshots were frozen when the Event was made, when it was known what
 * stands in join tables; of an Event that comes without them, as given to `walhook try`, they are made from
 * what it has.
 */
import {
  isLeftOut,
  isoTimestamp,
  isTimestamp,
  netboxField,
  pythonTimestamp,
  serializedTimes,
  snapshotArray,
  snapshotTime,
} from '../core/django.ts';
import type { EventFormat, ForeignFormat } from '../core/eventFormat.ts';
import { type Json, jsonString, parseJson, stringifyJson } from '../core/json.ts';
import { membersOf, objectOf } from '../core/jsonText.ts';
import type { QueuedDelivery } from '../queue/delivery.ts';

/** What of a Delivery its payload is made of. */
export type PayloadSource = Pick<QueuedDelivery, 'json' | 'model' | 'schema' | 'table' | 'frozen'>;

type Members = ReadonlyMap<string, string>;

/** JSON text. */
export function formatPayload(source: PayloadSource, format: EventFormat): string {
  if (format === 'walhook') return source.json;
  const event: Members = new Map(membersOf(source.json));
  const get = (name: string) => event.get(name) ?? 'null';
  const timestamp = JSON.parse(get('timestamp')) as string | null;
  const snapshots =
    source.frozen?.format === format ? source.frozen.snapshots : convertedSnapshots(event, format);
  const data = serializedTimes(get('data'));
  const unavailable = event.get('unavailable');
  const tail = unavailable === undefined ? [] : [['unavailable', unavailable] as const];
  if (format === 'peering-manager') {
    return objectOf([
      ['event', eventName(get('event'), PEERING_MANAGER_EVENTS)],
      ['timestamp', timestamp === null ? 'null' : jsonString(pythonTimestamp(timestamp))],
      ['model', get('model')],
      ['username', get('username')],
      ['request_id', get('request_id')],
      ['data', data],
      ['snapshots', snapshots],
      ...tail,
    ]);
  }
  return objectOf([
    ['event', get('event')],
    ['timestamp', timestamp === null ? 'null' : jsonString(isoTimestamp(timestamp))],
    ['object_type', jsonString(objectType(source))],
    ['username', get('username')],
    ['request_id', get('request_id')],
    ['data', withCustomFields(data)],
    ...requestOf(event),
    ['snapshots', snapshots],
    ...tail,
  ]);
}

/**
 * An Event as conditions see it: walhook's names for what the Event is, the format's for what its row is.
 * JSON text, for Events that come from elsewhere than capture.
 */
export function eventForConditions(source: PayloadSource, format: EventFormat): string {
  if (format === 'walhook') return source.json;
  const formatted: Members = new Map(membersOf(formatPayload(source, format)));
  return objectOf(
    membersOf(source.json).map(([name, value]) => [
      name,
      name === 'data' || name === 'snapshots' ? (formatted.get(name) ?? value) : value,
    ]),
  );
}

const PEERING_MANAGER_EVENTS: Readonly<Record<string, string>> = {
  created: 'create',
  updated: 'update',
  deleted: 'delete',
  truncated: 'truncate',
};

function eventName(json: string, names: Readonly<Record<string, string>>): string {
  const event = JSON.parse(json) as string;
  return jsonString(names[event] ?? event);
}

/** Django's content type: a table is called `<app>_<model>`. Others have their schema for an app. */
export function objectType({
  model,
  schema,
  table,
}: Pick<PayloadSource, 'model' | 'schema' | 'table'>): string {
  if (model.includes('.')) return model;
  if (table !== model && table.endsWith(`_${model}`)) {
    return `${table.slice(0, -model.length - 1)}.${model}`;
  }
  const underscore = table.indexOf('_');
  return table === model && schema === 'public' && underscore > 0
    ? `${table.slice(0, underscore)}.${table.slice(underscore + 1)}`
    : `${schema}.${model}`;
}

/** NetBox tells the request where there was one. Its method and path are in no row. */
function requestOf(event: Members): [string, string][] {
  const id = event.get('request_id') ?? 'null';
  if (id === 'null') return [];
  const user = event.get('username') ?? 'null';
  return [['request', `{"id":${id},"method":null,"path":null,"user":${user}}`]];
}

function withCustomFields(data: string): string {
  if (!data.includes('"custom_field_data"')) return data;
  return objectOf(membersOf(data).map(([name, value]) => [netboxField(name), value] as const));
}

/** As well as can be said from the Event alone. */
function convertedSnapshots(event: Members, format: ForeignFormat): string {
  const data = event.get('data') ?? 'null';
  const sides: Members = new Map(
    isObject(event.get('snapshots')) ? membersOf(event.get('snapshots') ?? '') : [],
  );
  const before = sides.get('prechange') ?? 'null';
  const after = sides.get('postchange') ?? 'null';
  // Included rows are those of `data`: of the row after the Change, or of the deleted one.
  const lists = isObject(data) ? listsOf(membersOf(data), isObject(after) ? after : before, format) : [];
  const isDeleted = !isObject(after);
  return objectOf([
    ['prechange', convertedSnapshot(before, 'prechange', format, isDeleted ? lists : [])],
    ['postchange', convertedSnapshot(after, 'postchange', format, lists)],
  ]);
}

function convertedSnapshot(
  snapshot: string,
  side: 'prechange' | 'postchange',
  format: ForeignFormat,
  lists: readonly [string, string][],
): string {
  if (!isObject(snapshot)) return 'null';
  const members = membersOf(snapshot)
    .filter(([name]) => name !== 'id' && !isLeftOut(name, side, format))
    .map(([name, value]): [string, string] => [
      format === 'netbox' ? netboxField(name) : name,
      isTimestamp(value) ? snapshotTime(value) : isFlatList(value) ? snapshotArray(value) : value,
    ]);
  return objectOf([...members, ...lists]);
}

/** A column's array holds no objects; a list that does is JSON. */
function isFlatList(value: string): boolean {
  return value.startsWith('[') && !value.includes('{');
}

/** Included rows: lists in `data` that the row itself has not. Tags by name, others by key. */
function listsOf(
  data: readonly [string, string][],
  snapshot: string,
  format: ForeignFormat,
): [string, string][] {
  const own = new Set(isObject(snapshot) ? membersOf(snapshot).map(([name]) => name) : []);
  return data
    .filter(([name, value]) => value.startsWith('[') && !own.has(name))
    .map(([name, value]) => [name, listOf(name, parseJson(value), format)]);
}

function listOf(name: string, rows: Json, format: ForeignFormat): string {
  const key = name === 'tags' ? 'name' : 'id';
  const keys = (Array.isArray(rows) ? rows : []).flatMap((row) => {
    const isRow = typeof row === 'object' && row !== null && !Array.isArray(row) && Object.hasOwn(row, key);
    return isRow ? (row[key] ?? []) : [];
  });
  if (name === 'tags' && format === 'netbox') keys.sort();
  return stringifyJson(keys);
}

function isObject(json: string | undefined): boolean {
  return json?.startsWith('{') ?? false;
}
