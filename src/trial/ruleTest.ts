/**
 * Rule tests of the configuration file: an Event, and what the Webhook is to make of it. Pure.
 *
 * Unlike errors elsewhere a difference shows what was found: the Event is the test's own, and the file's
 * author is who reads it.
 */
import type { Finding, Path } from '../config/mistakes.ts';
import type { Config } from '../config/schema.ts';
import { type Json, type JsonObject, parseJson, stringifyJson } from '../core/json.ts';
import type { WebhookDefinition } from '../definitions/webhooks.ts';
import { preview } from '../match/conditions/preview.ts';
import { checkedEvent } from './eventInput.ts';
import { type TrialRequest, type TrialResult, tryEvent } from './trial.ts';

export type RuleTest = Config['tests'][number];

/**
 * The differences; none where the test holds. Throws EVENT_INVALID for an Event that is none.
 *
 * @param path of the test, e.g. `tests[0]`
 */
export function runRuleTest(
  definition: WebhookDefinition,
  { event, expect }: RuleTest,
  path: Path,
  userAgent: string,
): Finding[] {
  const result = tryEvent(definition, checkedEvent(event as JsonObject, 'the Event'), userAgent);
  const at = (...below: Path): Path => [...path, 'expect', ...below];
  const { error } = result;
  if (expect.error !== undefined) {
    return error?.code === expect.error
      ? []
      : [difference(at('error'), expect.error, error?.code ?? 'no error')];
  }
  if (error !== null) return [difference(at(), 'no error', `${error.code}: ${error.message}`)];
  const asksForRequest =
    expect.url !== undefined || expect.headers !== undefined || expect.body !== undefined;
  const matched = expect.matched ?? (asksForRequest ? true : result.matched);
  if (result.matched !== matched) {
    const place = expect.matched === undefined ? at() : at('matched');
    return [{ path: place, message: `expected ${matchWord(matched)}, found ${whyNot(result)}` }];
  }
  return result.request === null ? [] : requestDifferences(result.request, expect, at);
}

function matchWord(matched: boolean): string {
  return matched ? 'a match' : 'no match';
}

/** The settings or the leaves that decided. */
function whyNot({ matched, explain }: TrialResult): string {
  if (matched) return 'a match';
  const leaves = (Array.isArray(explain['because']) ? explain['because'] : []) as JsonObject[];
  const words = leaves.map(({ attr, op, value, seen, why }) => {
    const asked = value === undefined ? `${attr} ${op}` : `${attr} ${op} ${stringifyJson(value)}`;
    return `${asked}: ${seen === undefined ? '' : `${stringifyJson(seen)} `}${why}`;
  });
  const by = `no match by ${explain['decided_by']}`;
  return words.length === 0 ? by : `${by} (${words.join('; ')})`;
}

function requestDifferences(
  request: TrialRequest,
  expect: RuleTest['expect'],
  at: (...below: Path) => Path,
): Finding[] {
  const findings: Finding[] = [];
  if (expect.url !== undefined && expect.url !== request.url) {
    findings.push(difference(at('url'), expect.url, request.url));
  }
  for (const [name, value] of Object.entries(expect.headers ?? {})) {
    const found = request.headers[name.toLowerCase()];
    if (found !== value) findings.push(difference(at('headers', name), value, found));
  }
  if (expect.body !== undefined) findings.push(...bodyDifferences(expect.body as Json, request.body, at));
  return findings;
}

/** A text is the whole body; anything else is held against the body as JSON. */
function bodyDifferences(expected: Json, body: string, at: (...below: Path) => Path): Finding[] {
  if (typeof expected === 'string') return expected === body ? [] : [difference(at('body'), expected, body)];
  let found: Json;
  try {
    found = parseJson(body);
  } catch {
    return [{ path: at('body'), message: `expected JSON, found ${shown(body)}` }];
  }
  return subsetDifferences(expected, found, at('body'));
}

/** Every key expected is there, and below it what is expected; lists have the members expected, in order. */
function subsetDifferences(expected: Json, found: Json | undefined, path: Path): Finding[] {
  if (Array.isArray(expected)) {
    if (!Array.isArray(found) || found.length !== expected.length) return [difference(path, expected, found)];
    return expected.flatMap((item, i) => subsetDifferences(item, found[i], [...path, i]));
  }
  if (isObject(expected)) {
    if (!isObject(found)) return [difference(path, expected, found)];
    return Object.entries(expected).flatMap(([key, item]) =>
      subsetDifferences(item, Object.hasOwn(found, key) ? found[key] : undefined, [...path, key]),
    );
  }
  return expected === found ? [] : [difference(path, expected, found)];
}

function difference(path: Path, expected: Json, found: Json | undefined): Finding {
  return { path, message: `expected ${shown(expected)}, found ${shown(found)}` };
}

function shown(value: Json | undefined): string {
  return value === undefined ? 'nothing' : stringifyJson(preview(value));
}

function isObject(value: Json | undefined): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
