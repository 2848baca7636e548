/**
 * Array and composite literals in PostgreSQL's text form → JSON text. What is no such literal, or has more
 * fields than the type has by now, stays PostgreSQL's text.
 *
 * https://www.postgresql.org/docs/current/arrays.html#ARRAYS-IO
 * https://www.postgresql.org/docs/current/rowtypes.html#ROWTYPES-IO-SYNTAX
 */

import { jsonString } from '../core/json.ts';

type Encode = (text: string) => string;

/** Where a literal is read; `at` is the next character. */
interface Cursor {
  readonly text: string;
  at: number;
}

/**
 * `{1,NULL,"a b"}` → `[1,null,"a b"]`, nested to any depth PostgreSQL allows (six). Bounds that do not
 * start at one (`[0:1]={1,2}`) are left out: JSON arrays have none.
 */
export function parseArray(text: string, delimiter: string, encode: Encode): string {
  const cursor = { text, at: text.startsWith('[') ? text.indexOf('=') + 1 : 0 };
  if (text[cursor.at] !== '{' || !text.endsWith('}')) return jsonString(text);
  const items = arrayAt(cursor, delimiter, encode);
  return cursor.at === text.length ? items : jsonString(text);
}

function arrayAt(cursor: Cursor, delimiter: string, encode: Encode): string {
  const items: string[] = [];
  cursor.at += 1; // {
  while (cursor.at < cursor.text.length && cursor.text[cursor.at] !== '}') {
    const char = cursor.text[cursor.at];
    if (char === '{') items.push(arrayAt(cursor, delimiter, encode));
    else if (char === '"') items.push(encode(quoted(cursor)));
    else items.push(bareElement(cursor, delimiter, encode));
    if (cursor.text[cursor.at] === delimiter) cursor.at += 1;
  }
  cursor.at += 1; // }
  return `[${items.join(',')}]`;
}

function bareElement(cursor: Cursor, delimiter: string, encode: Encode): string {
  const element = bare(cursor, delimiter, '}');
  // Only an unquoted NULL is the SQL one; PostgreSQL writes it in upper case.
  return element === 'NULL' ? 'null' : encode(element);
}

export interface CompositeField {
  /** `"name":` */
  readonly prefix: string;
  readonly encode: Encode;
}

/**
 * `(1,,"a b")` → `{"x":1,"y":null,"z":"a b"}`. An empty place is NULL, an empty string is quoted. Fields that
 * were added since are NULL; where some are gone since nobody can tell which, and the text stays as it is.
 */
export function parseComposite(text: string, fields: readonly CompositeField[]): string {
  if (fields.length === 0) return text === '()' ? '{}' : jsonString(text);
  if (text[0] !== '(') return jsonString(text);
  const cursor: Cursor = { text, at: 1 };
  const members: string[] = [];
  let isClosed = false;
  for (const field of fields) {
    const char = text[cursor.at];
    if (isClosed || char === ',' || char === ')') members.push(`${field.prefix}null`);
    else members.push(field.prefix + field.encode(compositeField(cursor)));
    if (isClosed) continue;
    isClosed = text[cursor.at] === ')';
    if (!isClosed && text[cursor.at] !== ',') return jsonString(text);
    cursor.at += 1;
  }
  return isClosed && cursor.at === text.length ? `{${members.join(',')}}` : jsonString(text);
}

function compositeField(cursor: Cursor): string {
  return cursor.text[cursor.at] === '"' ? quoted(cursor) : bare(cursor, ',', ')');
}

/** Text up to one of two delimiters, with backslash escapes resolved. */
function bare(cursor: Cursor, delimiter: string, closing: string): string {
  const start = cursor.at;
  let value = '';
  let from = start;
  for (; cursor.at < cursor.text.length; cursor.at += 1) {
    const char = cursor.text[cursor.at];
    if (char === delimiter || char === closing) break;
    if (char === '\\') {
      value += cursor.text.slice(from, cursor.at);
      cursor.at += 1;
      from = cursor.at;
    }
  }
  return value + cursor.text.slice(from, cursor.at);
}

/** A quoted text; quotes inside are doubled (composites) or escaped by a backslash (arrays, both). */
function quoted(cursor: Cursor): string {
  cursor.at += 1;
  let value = '';
  let from = cursor.at;
  for (; cursor.at < cursor.text.length; cursor.at += 1) {
    const char = cursor.text[cursor.at];
    if (char === '"' && cursor.text[cursor.at + 1] !== '"') break;
    if (char === '"' || char === '\\') {
      value += cursor.text.slice(from, cursor.at);
      cursor.at += 1;
      from = cursor.at;
    }
  }
  value += cursor.text.slice(from, cursor.at);
  cursor.at += 1;
  return value;
}
