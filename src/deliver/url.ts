/**
 * The URL of a request: rendered, parsed again, and held to the origin that its template's author wrote.
 * A row may fill a path or a query; where the request goes is the author's to say.
 */
import { WalhookError } from '../core/errors.ts';

export interface RequestUrl {
  /** `https://example.com:8443` */
  readonly origin: string;
  /** Path and query as sent. */
  readonly path: string;
  /** The value of an Authorization header for credentials written in the URL; null without them. */
  readonly authorization: string | null;
}

/** Parses a rendered URL. Throws URL_INVALID. */
export function parseRequestUrl(rendered: string): RequestUrl {
  const text = rendered.trim();
  // The WHATWG parser drops tabs and line ends silently and reads a backslash as a slash.
  if (/[\x00-\x20\x7f\\]/.test(text)) {
    throw invalid('expected a URL without spaces, control characters and backslashes');
  }
  if (!URL.canParse(text)) throw invalid('expected an absolute URL');
  const url = new URL(text);
  if (url.protocol !== 'http:' && url.protocol !== 'https:') {
    throw invalid(`expected http:// or https://, found ${url.protocol}`);
  }
  if (url.port === '0') throw invalid('expected a port other than 0');
  return {
    origin: url.origin,
    path: url.pathname + url.search,
    authorization: url.username === '' && url.password === '' ? null : basic(url),
  };
}

function basic(url: URL): string {
  let credentials: string;
  try {
    credentials = `${decodeURIComponent(url.username)}:${decodeURIComponent(url.password)}`;
  } catch {
    throw invalid('expected user and password in the URL with every special character as %XX');
  }
  return `Basic ${Buffer.from(credentials, 'utf8').toString('base64')}`;
}

/**
 * The origin that a URL template fixes by what stands before its first tag; null where data has a say in it.
 */
export function staticOrigin(template: string): string | null {
  const tag = template.search(/\{\{|\{%|\{#/);
  if (tag < 0) return URL.canParse(template.trim()) ? new URL(template.trim()).origin : null;
  const head = template.slice(0, tag).trimStart();
  // The authority is complete only when something that ends it stands before the first tag.
  const match = /^https?:\/\/[^/?#\\]+(?=[/?#])/i.exec(head);
  return match !== null && URL.canParse(match[0]) ? new URL(match[0]).origin : null;
}

function invalid(message: string): WalhookError {
  return new WalhookError('URL_INVALID', message);
}
