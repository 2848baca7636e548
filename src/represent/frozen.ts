/**
 * The snapshots of an Event as Peering Manager and NetBox write them: Django's serializer over the model's
 * own fields, then its many-to-many fields. Made when the Event is, for later nobody can tell what stood in
 * join tables. Pure.
 */
import type { Image } from '../change/images.ts';
import { type Column, fieldName, type Table } from '../change/table.ts';
import { isLeftOut, netboxField, snapshotArray, snapshotTime } from '../core/django.ts';
import type { ForeignFormat } from '../core/eventFormat.ts';
import { type Json, jsonString, parseJsonQuickly, stringifyJson } from '../core/json.ts';
import type { Included } from './includedRows.ts';
import type { Part } from './render.ts';
import type { Shape } from './shape.ts';

export interface FrozenSource {
  readonly table: Table;
  readonly shape: Shape;
  readonly before: Image | null;
  readonly after: Image | null;
  /** By name of the include. */
  readonly included: ReadonlyMap<string, { readonly before: Included; readonly after: Included }>;
}

type Side = 'prechange' | 'postchange';
type Field = readonly [name: string, json: string];

/** JSON text of `{prechange, postchange}`. */
export function frozenSnapshots(source: FrozenSource, format: ForeignFormat): string {
  const side = (name: Side, image: Image | null) =>
    image === null ? 'null' : snapshotJson(source, name, image, format);
  return (
    `{"prechange":${side('prechange', source.before)}` + `,"postchange":${side('postchange', source.after)}}`
  );
}

function snapshotJson(source: FrozenSource, side: Side, image: Image, format: ForeignFormat): string {
  const fields = [...ownFields(source.table, side, image, format), ...listFields(source, side, format)];
  const wanted = source.shape.snapshotOrder;
  const rank = ([name]: Field) => {
    const at = wanted?.indexOf(name) ?? -1;
    return at < 0 ? (wanted?.length ?? 0) : at;
  };
  // Sorting is stable: what the order does not name stays behind, in the order of the columns.
  const ordered = wanted === null ? fields : fields.toSorted((a, b) => rank(a) - rank(b));
  return `{${ordered.map(([name, json]) => `${jsonString(name)}:${json}`).join(',')}}`;
}

const JSON_OIDS: ReadonlySet<number> = new Set([114, 3802]);
const TIMESTAMP_OIDS: ReadonlySet<number> = new Set([1114, 1184]);

function ownFields(table: Table, side: Side, image: Image, format: ForeignFormat): Field[] {
  return table.columns.flatMap((column, at): Field[] => {
    const { json } = image.cell(at);
    const name = nameIn(table, column, side, format);
    return json === null || name === null ? [] : [[name, valueIn(table, column, json)]];
  });
}

/** What a column is called in snapshots; null where it is not in them. */
function nameIn(table: Table, column: Column, side: Side, format: ForeignFormat): string | null {
  const isKey = table.key.length === 1 && table.key[0]?.index === column.index;
  const field = fieldName(column.name, table.foreignKeys, 'fields');
  const name = format === 'netbox' ? netboxField(field) : field;
  return isKey || isLeftOut(name, side, format) ? null : name;
}

function valueIn(table: Table, column: Column, json: string): string {
  const oid = table.relation.columns[column.index]?.typeOid ?? 0;
  if (TIMESTAMP_OIDS.has(oid)) return snapshotTime(json);
  return json.startsWith('[') && !JSON_OIDS.has(oid) ? snapshotArray(json) : json;
}

/** Included rows. What could not be read is left out. */
function listFields({ shape, included }: FrozenSource, side: Side, format: ForeignFormat): Field[] {
  return shape.members.flatMap((member): Field[] => {
    if (member.kind !== 'include') return [];
    const json = listIn(member.name, included.get(member.name), side, format);
    return json === null ? [] : [[member.name, json]];
  });
}

/** Tags by their names, other rows by their keys. */
function listIn(
  name: string,
  pair: { readonly before: Included; readonly after: Included } | undefined,
  side: Side,
  format: ForeignFormat,
): string | null {
  const rows = side === 'prechange' ? pair?.before : pair?.after;
  if (rows === undefined || rows.part.json === null) return null;
  if (name !== 'tags') return `[${rows.keys.map(keyJson).join(',')}]`;
  const names = namesOf(parseJsonQuickly(rows.part.json));
  return stringifyJson(format === 'netbox' ? names.toSorted() : names);
}

/**
 * One member of a snapshot, for conditions. `pending` where rows have not been looked up yet; undefined
 * where there is no such member.
 *
 * @param included null before anything was looked up
 */
export function frozenMember(
  { table, shape }: Pick<FrozenSource, 'table' | 'shape'>,
  included: FrozenSource['included'] | null,
  side: Side,
  image: Image,
  name: string,
  format: ForeignFormat,
): Part | 'pending' | undefined {
  const at = table.columns.findIndex((column) => nameIn(table, column, side, format) === name);
  const column = table.columns[at];
  if (column !== undefined) {
    const { json, missing } = image.cell(at);
    return { json: json === null ? null : valueIn(table, column, json), missing };
  }
  if (!shape.members.some((member) => member.kind === 'include' && member.name === name)) return undefined;
  if (included === null) return 'pending';
  const json = listIn(name, included.get(name), side, format);
  return { json, missing: json === null ? 'lookup' : null };
}

function keyJson(key: string): string {
  return /^(?:0|[1-9]\d*)$/.test(key) ? key : jsonString(key);
}

function namesOf(rows: Json): Json[] {
  return (Array.isArray(rows) ? rows : []).flatMap((row) => {
    const isRow =
      typeof row === 'object' && row !== null && !Array.isArray(row) && Object.hasOwn(row, 'name');
    return isRow ? [row['name'] ?? null] : [];
  });
}
