/** Small helpers for what was read from YAML or JSON and has not been checked yet. */

/** What is wrong in a definition, for the person who wrote it. */
export interface Mistake {
  /** Where, for example `webhooks[0].conditions.and[1].value`. */
  readonly path: string;
  /** What was expected and what was found. */
  readonly message: string;
}

export function isObject(raw: unknown): raw is Readonly<Record<string, unknown>> {
  return typeof raw === 'object' && raw !== null && !Array.isArray(raw);
}

/** Whether Python takes it for true. */
export function isTruthy(raw: unknown): boolean {
  if (Array.isArray(raw)) return raw.length > 0;
  return isObject(raw) ? Object.keys(raw).length > 0 : Boolean(raw);
}

/** Its type, in words. */
export function kindOf(raw: unknown): string {
  if (raw === undefined) return 'nothing';
  if (raw === null) return 'null';
  if (Array.isArray(raw)) return 'a list';
  switch (typeof raw) {
    case 'string':
      return 'text';
    case 'boolean':
      return 'a boolean';
    case 'bigint':
      return 'a number';
    case 'number':
      return Number.isFinite(raw) ? 'a number' : 'a number that is not finite';
    case 'object':
      return 'an object';
    default:
      return `a ${typeof raw}`;
  }
}

/** A word of the definition, quoted and bounded in length. */
export function quote(word: string): string {
  return JSON.stringify(word.length > 60 ? `${word.slice(0, 60)}…` : word);
}

/** The path of a member. */
export function member(path: string, key: string): string {
  return /^[\w$-]{1,60}$/.test(key) ? `${path}.${key}` : `${path}[${quote(key)}]`;
}
