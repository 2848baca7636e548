/** Answers in JSON: lossless (bigint as its digits), keys without a value left out. */
import { jsonString } from '../core/json.ts';

export function toAnswer(value: unknown): string {
  switch (typeof value) {
    case 'string':
      return jsonString(value);
    case 'bigint':
      return value.toString();
    case 'number':
      return Number.isFinite(value) ? String(value) : 'null';
    case 'boolean':
      return value ? 'true' : 'false';
    case 'object':
      return value === null ? 'null' : objectAnswer(value);
    default:
      return 'null';
  }
}

function objectAnswer(value: object): string {
  if (Array.isArray(value)) return `[${value.map(toAnswer).join(',')}]`;
  const members = Object.entries(value)
    .filter(([, item]) => item !== undefined && typeof item !== 'function')
    .map(([key, item]) => `${jsonString(key)}:${toAnswer(item)}`);
  return `{${members.join(',')}}`;
}
