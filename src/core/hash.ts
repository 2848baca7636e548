import { hash } from 'node:crypto';

/** The first eight hex digits of a text's SHA-256: what tells apart objects and Webhooks in ids. */
export function hash8(text: string): string {
  return hash('sha256', text, 'hex').slice(0, 8);
}

/** All 64 hex digits of a text's SHA-256. */
export function hash64(text: string): string {
  return hash('sha256', text, 'hex');
}
