/** Values bounded in size, for people to look at. */
import { type Json, jsonString } from '../../core/json.ts';

/** Characters of JSON that are shown of one value. */
const MAX_SHOWN = 200;

/** The value itself where its JSON is short, else the beginning of its JSON as text, with an ellipsis. */
export function preview(value: Json): Json {
  const text = beginning(value, MAX_SHOWN + 1);
  return text.length > MAX_SHOWN ? `${text.slice(0, MAX_SHOWN)}…` : value;
}

/** The JSON of a value, or at least `enough` characters of it. Costs no more than is shown. */
function beginning(value: Json, enough: number): string {
  if (typeof value === 'string') return jsonString(value.slice(0, enough));
  if (typeof value !== 'object' || value === null) return String(value);
  if (Array.isArray(value)) return `[${joined(value, (item) => beginning(item, enough), enough)}]`;
  const member = (key: string) => `${jsonString(key)}:${beginning(value[key] as Json, enough)}`;
  return `{${joined(Object.keys(value), member, enough)}}`;
}

function joined<T>(items: readonly T[], text: (item: T) => string, enough: number): string {
  let result = '';
  for (const item of items) {
    if (result.length >= enough) break;
    result += result === '' ? text(item) : `,${text(item)}`;
  }
  return result;
}
