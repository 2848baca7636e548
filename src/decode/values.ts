/**
 * PostgreSQL's text of a value → JSON text, without loss.
 *
 * Relies on the session that decodes being pinned to TimeZone UTC, DateStyle ISO, IntervalStyle postgres,
 * extra_float_digits 1 and bytea_output hex. What a type becomes is DESIGN-level contract: numbers stay
 * digits, numeric becomes a string, times become ISO 8601 with six digits of microseconds, and every type
 * without a rule keeps PostgreSQL's own text.
 */
import { jsonString } from '../core/json.ts';
import { parseArray, parseComposite } from './literals.ts';

/** JSON text of a value whose PostgreSQL text is given. Never NULL: that is `null` for every type. */
export type Encoder = (text: string) => string;

/** A type as the catalog tells it, with what it is made of. */
export type ColumnType =
  | { readonly kind: 'scalar'; readonly oid: number }
  | { readonly kind: 'array'; readonly element: ColumnType; readonly delimiter: string }
  | {
      readonly kind: 'composite';
      readonly fields: readonly { readonly name: string; readonly type: ColumnType }[];
    };

/** NaN and ±Infinity, which JSON lacks, become strings. */
const number: Encoder = (text) => (JSON_NUMBER.test(text) ? text : jsonString(text));
const JSON_NUMBER = /^-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?$/;
const boolean: Encoder = (text) => (text === 't' ? 'true' : 'false');
/** PostgreSQL has checked it, where the stream itself says that it is JSON. */
const json: Encoder = (text) => text;

/**
 * JSON within a composite. The catalog tells what a composite is made of now; a row from before an ALTER TYPE
 * may have any text there.
 */
const doubtfulJson: Encoder = (text) => {
  try {
    JSON.parse(text);
    return text;
  } catch {
    return jsonString(text);
  }
};

/** `2023-08-07`, as it is; years of five digits, BC and infinity too. */
const date: Encoder = jsonString;

const TIMESTAMP = /^(\d{4}-\d\d-\d\d) (\d\d:\d\d:\d\d)(?:\.(\d{1,6}))?(\+00)?$/;

function timestamp(zone: '' | 'Z'): Encoder {
  return (text) => {
    const parts = TIMESTAMP.exec(text);
    // infinity, BC and years beyond 9999 have no common ISO 8601 form.
    if (parts === null) return jsonString(text);
    return `"${parts[1]}T${parts[2]}.${(parts[3] ?? '').padEnd(6, '0')}${zone}"`;
  };
}

const TIME = /^(\d\d:\d\d:\d\d)(?:\.(\d{1,6}))?([+-]\d\d)?(:\d\d)?(:\d\d)?$/;

/** `19:30:23.140000`, with `+02:00` where the type has a zone. */
const time: Encoder = (text) => {
  const parts = TIME.exec(text);
  if (parts === null) return jsonString(text);
  const zone = parts[3] === undefined ? '' : `${parts[3]}${parts[4] ?? ':00'}${parts[5] ?? ''}`;
  return `"${parts[1]}.${(parts[2] ?? '').padEnd(6, '0')}${zone}"`;
};

/** OIDs of PostgreSQL's built-in types, fixed since they exist (src/include/catalog/pg_type.dat). */
const ENCODERS: ReadonlyMap<number, Encoder> = new Map([
  [16, boolean],
  [20, number], // int8
  [21, number], // int2
  [23, number], // int4
  [114, json],
  [700, number], // float4
  [701, number], // float8
  [1082, date],
  [1083, time],
  [1114, timestamp('')],
  [1184, timestamp('Z')],
  [1266, time], // timetz
  [3802, json], // jsonb
]);

/** numeric: kept as a string in JSON, compared as an exact decimal by conditions. */
export const NUMERIC_OID = 1700;

/** Built-in scalar types whose rendering is known here, so that no catalog look-up is needed for them. */
const KNOWN_SCALARS: ReadonlySet<number> = new Set([
  ...ENCODERS.keys(),
  17, // bytea
  18, // "char"
  19, // name
  25, // text
  142, // xml
  650, // cidr
  774, // macaddr8
  790, // money
  829, // macaddr
  869, // inet
  1042, // bpchar
  1043, // varchar
  1186, // interval
  1560, // bit
  1562, // varbit
  NUMERIC_OID,
  2950, // uuid
]);

/** Whether a column of this type can be rendered without asking the catalog what the type is. */
export function isKnownScalar(oid: number): boolean {
  return KNOWN_SCALARS.has(oid);
}

/** The function that renders values of a type, whatever their text, as valid JSON. Build it once per column. */
export function encoderFor(type: ColumnType): Encoder {
  return encoderOf(type, json);
}

function encoderOf(type: ColumnType, jsonEncoder: Encoder): Encoder {
  switch (type.kind) {
    case 'scalar': {
      const encoder = ENCODERS.get(type.oid) ?? jsonString;
      return encoder === json ? jsonEncoder : encoder;
    }
    case 'array': {
      const element = encoderOf(type.element, jsonEncoder);
      return (text) => parseArray(text, type.delimiter, element);
    }
    case 'composite': {
      const fields = type.fields.map((field) => ({
        prefix: `${jsonString(field.name)}:`,
        encode: encoderOf(field.type, doubtfulJson),
      }));
      return (text) => parseComposite(text, fields);
    }
  }
}
