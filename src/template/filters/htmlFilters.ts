/** Jinja2's filters for HTML and URLs. */

import type { Budget } from '../budget.ts';
import { intArgument, noAttribute, textArgument } from '../python/arguments.ts';
import { PythonError, valueError } from '../python/errors.ts';
import { escapeHtml } from '../python/html.ts';
import { elements, isIterable, truth } from '../python/iterate.ts';
import { str } from '../python/repr.ts';
import { replaceEach } from '../python/scan.ts';
import { splitWords } from '../python/strings.ts';
import { urlize } from '../python/urlize.ts';
import { type Callable, Operation, type Rendering } from '../values/callable.ts';
import { Dict } from '../values/dict.ts';
import { isText, Markup, textOf } from '../values/text.ts';
import { Undefined } from '../values/undefined.ts';
import type { Value } from '../values/value.ts';

/** A value as HTML: Markup as it is, anything else escaped. */
export function escaped(value: Value, rendering: Rendering): Markup {
  if (value instanceof Markup) return value;
  return new Markup(escapeHtml(str(value, rendering.budget), rendering.budget));
}

const LONE_SURROGATE = /\p{Surrogate}/gu;

/** Percent-encodes UTF-8; in a query `/` is encoded too and a space becomes `+`. */
function quote(value: Value, isQuery: boolean, rendering: Rendering): string {
  const text = str(value, rendering.budget).replace(LONE_SURROGATE, '\ufffd');
  rendering.budget.text(text.length * 3);
  const encoded = encodeURIComponent(text).replace(
    /[!'()*]/g,
    (char) => `%${char.charCodeAt(0).toString(16).toUpperCase()}`,
  );
  return isQuery ? encoded.replaceAll('%20', '+') : encoded.replaceAll('%2F', '/');
}

function urlEncode(rendering: Rendering, value: Value): Value {
  if (isText(value) || !isIterable(value)) return quote(value, false, rendering);
  const pairs = value instanceof Dict ? value.entries() : elements(value, rendering).map(pairOf(rendering));
  const parts = pairs.map(([key, item]) => `${quote(key, true, rendering)}=${quote(item, true, rendering)}`);
  rendering.budget.text(parts.reduce((total, part) => total + part.length + 1, 0));
  return parts.join('&');
}

function pairOf(rendering: Rendering): (entry: Value) => [Value, Value] {
  return (entry) => {
    const [key, value, ...more] = elements(entry, rendering);
    if (key === undefined || value === undefined || more.length > 0) {
      throw valueError('urlencode takes pairs of key and value');
    }
    return [key, value];
  };
}

function xmlAttributes(rendering: Rendering, value: Value, isSpaced: Value): Value {
  if (!(value instanceof Dict)) throw noAttribute(value, 'items');
  const parts = value.entries().flatMap(([key, item]) => {
    if (item === null || item instanceof Undefined) return [];
    if (/[\s/>=]/.test(textArgument(key))) throw valueError('Invalid character in attribute name');
    return [`${escaped(key, rendering).text}="${escaped(item, rendering).text}"`];
  });
  rendering.budget.text(parts.reduce((total, part) => total + part.length + 1, 1));
  const text = parts.join(' ');
  const spaced = truth(isSpaced) && text !== '' ? ` ${text}` : text;
  return rendering.autoescape ? new Markup(spaced) : spaced;
}

/** Removes comments and tags, then joins what is left with single spaces. */
function stripTags(text: string, budget: Budget): string {
  const parts: string[] = [];
  let at = 0;
  for (let start = text.indexOf('<'); start >= 0; start = text.indexOf('<', at)) {
    const isComment = text.startsWith('<!--', start);
    const end = isComment ? text.indexOf('-->', start + 4) : text.indexOf('>', start);
    if (end < 0) break;
    budget.step();
    parts.push(text.slice(at, start));
    at = end + (isComment ? 3 : 1);
  }
  parts.push(text.slice(at));
  return unescapeHtml(splitWords(parts.join(''), -1, budget).join(' '), budget);
}

const ENTITIES: ReadonlyMap<string, string> = new Map(
  Object.entries({
    amp: '&',
    lt: '<',
    gt: '>',
    quot: '"',
    apos: "'",
    nbsp: '\u00a0',
    copy: '©',
    reg: '®',
    trade: '™',
    euro: '€',
    pound: '£',
    deg: '°',
    middot: '·',
    bull: '•',
    hellip: '…',
    ndash: '–',
    mdash: '—',
    lsquo: '‘',
    rsquo: '’',
    ldquo: '“',
    rdquo: '”',
    laquo: '«',
    raquo: '»',
    times: '×',
    rarr: '→',
    larr: '←',
  }),
);

const REFERENCE = /&(?:#[0-9]{1,7}|#[xX][0-9a-fA-F]{1,6}|[a-zA-Z]{1,8});/g;

/** Numeric character references and the common named ones; others stay as they are. */
function unescapeHtml(text: string, budget: Budget): string {
  return replaceEach(text, REFERENCE, unescapeReference, budget);
}

function unescapeReference(reference: string): string {
  const name = reference.slice(1, -1);
  if (!name.startsWith('#')) return ENTITIES.get(name) ?? reference;
  const isHex = /^#x/i.test(name);
  const code = Number.parseInt(name.slice(isHex ? 2 : 1), isHex ? 16 : 10);
  return code > 0 && code <= 0x10ffff ? String.fromCodePoint(code) : '\ufffd';
}

function urlizeFilter(
  rendering: Rendering,
  value: Value,
  limit: Value,
  noFollow: Value,
  target: Value,
  rel: Value,
  schemes: Value,
): Value {
  const { text } = escaped(value, rendering);
  const rels = new Set(rel === null ? [] : splitWords(textArgument(rel), -1, rendering.budget));
  if (truth(noFollow)) rels.add('nofollow');
  rels.add('noopener');
  const linked = urlize(text, {
    limit: limit === null ? null : intArgument(limit),
    rel: escapeHtml(Array.from(rels).sort().join(' '), rendering.budget),
    target: target === null ? null : escapeHtml(textArgument(target), rendering.budget),
    schemes: schemes === null ? [] : elements(schemes, rendering).map(schemeArgument),
    budget: rendering.budget,
  });
  return rendering.autoescape ? new Markup(linked) : linked;
}

function schemeArgument(value: Value): string {
  const scheme = textArgument(value);
  if (/^[\w.+-]{2,}:\/{0,2}$/.test(scheme)) return scheme;
  throw new PythonError('FilterArgumentError', 'extra_schemes holds an invalid URI scheme prefix');
}

const escaping = (name: string): Callable =>
  Operation.of(name, ['s'], (rendering, value) => escaped(value, rendering));

export const htmlFilters: readonly Callable[] = [
  escaping('escape'),
  escaping('e'),
  Operation.of('forceescape', ['value'], (rendering, value) =>
    escaped(isText(value) ? textOf(value) : value, rendering),
  ),
  Operation.of('safe', ['value'], (rendering, value) =>
    value instanceof Markup ? value : new Markup(str(value, rendering.budget)),
  ),
  Operation.of('striptags', ['value'], (rendering, value) => {
    const text = isText(value) ? textOf(value) : str(value, rendering.budget);
    rendering.budget.text(text.length);
    return stripTags(text, rendering.budget);
  }),
  Operation.of('urlencode', ['value'], urlEncode),
  Operation.of('xmlattr', ['d', ['autospace', true]], xmlAttributes),
  Operation.of(
    'urlize',
    [
      'value',
      ['trim_url_limit', null],
      ['nofollow', false],
      ['target', null],
      ['rel', null],
      ['extra_schemes', null],
    ],
    urlizeFilter,
  ),
];
