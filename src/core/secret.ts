/** A value that must never be printed: it can be used on purpose and not by accident. */
import { inspect } from 'node:util';
import { isSeveralRedisUrl, maskSeveral } from './redisUrl.ts';

export const MASK = '[secret]';

export class Secret {
  readonly #value: string;

  constructor(value: string) {
    this.#value = value;
  }

  /** The value itself. Call it where it is used and keep the result out of every message. */
  reveal(): string {
    return this.#value;
  }

  toString(): string {
    return MASK;
  }

  toJSON(): string {
    return MASK;
  }

  [inspect.custom](): string {
    return MASK;
  }
}

/** A URL with its credentials and query values masked, for logs and messages. */
export function maskUrl(text: string): string {
  if (isSeveralRedisUrl(text)) return maskSeveral(text);
  let url: URL;
  try {
    url = new URL(text);
  } catch {
    return '[not a URL]';
  }
  if (url.username !== '') url.username = '***';
  if (url.password !== '') url.password = '***';
  for (const name of [...url.searchParams.keys()]) url.searchParams.set(name, '***');
  return url.toString();
}
