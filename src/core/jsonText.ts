/**
 * JSON handled as text, so that no digit is lost and no key moves: cutting an object into its members,
 * and writing it the way Python does. Relies on the text being valid JSON.
 */

/** The members of an object in their order: name, and the value as it is written. */
export function membersOf(json: string): [name: string, value: string][] {
  const members: [string, string][] = [];
  let at = skipSpace(json, 1);
  while (json[at] === '"') {
    const nameEnd = stringEnd(json, at);
    const name = JSON.parse(json.slice(at, nameEnd)) as string;
    const start = skipSpace(json, skipSpace(json, nameEnd) + 1);
    const end = valueEnd(json, start);
    members.push([name, json.slice(start, end).trimEnd()]);
    at = skipSpace(json, end + 1);
  }
  return members;
}

/** The object of the members given. */
export function objectOf(members: Iterable<readonly [name: string, value: string]>): string {
  return `{${[...members].map(([name, value]) => `${JSON.stringify(name)}:${value}`).join(',')}}`;
}

const NOT_ASCII = /[\u0080-\uffff]/g;

/** As Python's `json.dumps`: a space after commas and colons, and nothing but ASCII. */
export function pythonJson(json: string): string {
  const parts: string[] = [];
  let at = 0;
  while (at < json.length) {
    const char = json[at] ?? '';
    if (char === '"') {
      const end = stringEnd(json, at);
      parts.push(json.slice(at, end).replace(NOT_ASCII, escaped));
      at = end;
      continue;
    }
    if (char === ',' || char === ':') parts.push(char, ' ');
    else if (!isSpace(char)) parts.push(char);
    at += 1;
  }
  return parts.join('');
}

function escaped(char: string): string {
  return `\\u${char.charCodeAt(0).toString(16).padStart(4, '0')}`;
}

function isSpace(char: string | undefined): boolean {
  return char === ' ' || char === '\n' || char === '\t' || char === '\r';
}

function skipSpace(json: string, from: number): number {
  let at = from;
  while (isSpace(json[at])) at += 1;
  return at;
}

/** Behind the closing quote of the string that starts at `start`. */
function stringEnd(json: string, start: number): number {
  let end = json.indexOf('"', start + 1);
  while (end > 0 && isEscaped(json, end)) end = json.indexOf('"', end + 1);
  return end < 0 ? json.length : end + 1;
}

function isEscaped(json: string, at: number): boolean {
  let backslashes = 0;
  while (json[at - 1 - backslashes] === '\\') backslashes += 1;
  return backslashes % 2 === 1;
}

/** Where the comma or brace stands that follows the value. */
function valueEnd(json: string, start: number): number {
  let depth = 0;
  let at = start;
  while (at < json.length) {
    const char = json[at];
    if (char === '"') {
      at = stringEnd(json, at);
      continue;
    }
    if (char === '{' || char === '[') depth += 1;
    else if (char === '}' || char === ']') {
      if (depth === 0) return at;
      depth -= 1;
    } else if (char === ',' && depth === 0) return at;
    at += 1;
  }
  return at;
}
