/**
 * How Django and its REST framework write values, from walhook's JSON of them. Source: Django's
 * core/serializers (DjangoJSONEncoder, the python serializer, ArrayField.value_to_string) and the REST
 * framework's fields.DateTimeField.
 */
import { type Json, jsonString, parseJson, stringifyJson } from './json.ts';

const TIMESTAMP = /^"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)\.(\d{6})(Z?)"$/;

/** Whether the JSON text is a time as walhook writes one. */
export function isTimestamp(json: string): boolean {
  return TIMESTAMP.test(json);
}

/** In snapshots: milliseconds, and no fraction where the microseconds are zero. */
export function snapshotTime(json: string): string {
  return json.replace(TIMESTAMP, (_, seconds: string, micros: string, zone: string) =>
    micros === '000000' ? `"${seconds}${zone}"` : `"${seconds}.${micros.slice(0, 3)}${zone}"`,
  );
}

const WHOLE_SECONDS = /"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)\.000000(Z?)"/g;

/** In `data`, on all levels: microseconds, and no fraction where they are zero. */
export function serializedTimes(json: string): string {
  return json.replace(WHOLE_SECONDS, '"$1$2"');
}

/** In snapshots an array is JSON text of the texts of its elements. */
export function snapshotArray(json: string): string {
  return jsonString(`[${elementTexts(parseJson(json)).join(', ')}]`);
}

function elementTexts(array: Json): string[] {
  return (Array.isArray(array) ? array : []).map((element) => {
    if (element === null) return 'null';
    if (Array.isArray(element)) return jsonString(`[${elementTexts(element).join(', ')}]`);
    if (typeof element === 'boolean') return element ? '"True"' : '"False"';
    return jsonString(typeof element === 'string' ? element : stringifyJson(element));
  });
}

/** Python's `str(datetime)` of walhook's timestamp: `2026-11-23 08:26:24.282931+00:00`. */
export function pythonTimestamp(timestamp: string): string {
  return isoTimestamp(timestamp).replace('T', ' ');
}

/** Python's `datetime.isoformat()` of walhook's timestamp: `2026-11-23T08:26:24.282931+00:00`. */
export function isoTimestamp(timestamp: string): string {
  return timestamp.replace(/(?:\.000000)?Z$/, '+00:00');
}

/** The time of the last change, which would make every pair of snapshots differ, is not in them. */
export function isLeftOut(
  field: string,
  side: 'prechange' | 'postchange',
  format: 'peering-manager' | 'netbox',
): boolean {
  return format === 'netbox' ? field === 'last_updated' : field === 'updated' && side === 'prechange';
}

/** What a column is called in NetBox's payloads. */
export function netboxField(column: string): string {
  return column === 'custom_field_data' ? 'custom_fields' : column;
}

/** The inverse of {@link netboxField}. */
export function netboxColumn(field: string): string {
  return field === 'custom_fields' ? 'custom_field_data' : field;
}
