/**
 * Additional headers: one `Name: value` per line of the rendered text, as in Peering Manager and NetBox.
 *
 * The text was rendered with every output made header-safe, so that only line ends of the template itself
 * separate headers. What could still break the framing of a request is refused here.
 */
import { WalhookError } from '../core/errors.ts';

/** RFC 9110 token. */
const NAME = /^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/;
/** RFC 9110 field value without obs-fold: visible latin-1, spaces and tabs. */
const VALUE = /^[\t\x20-\x7e\x80-\xff]*$/;
const MAX_VALUE = 8_192;

/** What the connection or walhook itself says. */
const FORBIDDEN = new Set([
  'connection',
  'content-length',
  'expect',
  'host',
  'keep-alive',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
  'x-hook-signature',
]);
const FORBIDDEN_PREFIXES = ['proxy-', 'webhook-'];

/** Whether a name may stand in additional_headers. */
export function isForbiddenHeader(name: string): boolean {
  const lower = name.toLowerCase();
  return FORBIDDEN.has(lower) || FORBIDDEN_PREFIXES.some((prefix) => lower.startsWith(prefix));
}

/**
 * Splits rendered text. Empty lines and lines without a colon are skipped, as NetBox does; of a name
 * written twice the last one counts. Throws HEADER_INVALID, which names the header and never its value.
 */
export function parseHeaders(text: string): [name: string, value: string][] {
  const headers = new Map<string, [string, string]>();
  for (const line of text.split(/\r\n|\r|\n/)) {
    const colon = line.indexOf(':');
    if (colon < 0) continue;
    const name = line.slice(0, colon).trim();
    const value = line.slice(colon + 1).trim();
    if (!NAME.test(name)) throw invalid(`expected a header name, found ${JSON.stringify(name.slice(0, 60))}`);
    if (isForbiddenHeader(name)) throw invalid(`expected a header that may be set, found ${name}`);
    if (value.length > MAX_VALUE) throw invalid(`expected at most ${MAX_VALUE} characters in ${name}`);
    if (!VALUE.test(value)) throw invalid(`expected latin-1 text without control characters in ${name}`);
    headers.delete(name.toLowerCase());
    headers.set(name.toLowerCase(), [name, value]);
  }
  return [...headers.values()];
}

function invalid(message: string): WalhookError {
  return new WalhookError('HEADER_INVALID', message);
}
