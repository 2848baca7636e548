/** What a trial came to, for people: the decision with each condition and the value it saw, and the request. */
import type { WalhookError } from '../../core/errors.ts';
import { type Json, type JsonObject, stringifyJson } from '../../core/json.ts';
import type { TrialResult } from '../../trial/trial.ts';
import { type DraftMistake, prettyJson } from '../draft.ts';
import { type Html, html } from '../html.ts';
import { chip, code, notice } from './parts.ts';

/** A trial, or why there is none. */
export interface Outcome {
  readonly result: TrialResult | null;
  readonly mistakes: readonly DraftMistake[];
  readonly error: WalhookError | null;
}

export function shownOutcome({ result, mistakes, error }: Outcome): Html {
  if (error !== null) return notice('bad', html`<b>${error.code}</b> ${error.message}`);
  if (mistakes.length > 0) {
    return html`<div class="notice bad" role="alert"><b>Not valid</b><ul>${mistakes.map(
      ({ path, message }) => html`<li><code>${path}</code>: ${message}</li>`,
    )}</ul></div>`;
  }
  if (result === null) return html``;
  const { matched, explain, request } = result;
  return html`<p class="verdict">${matched ? chip('matched') : html`<span class="chip ${result.error === null ? 'dim' : 'bad'}">${result.error === null ? 'does not fire' : 'fails'}</span>`}
      ${explain['decided_by'] !== null && html`<span class="muted">decided by ${String(explain['decided_by'])}</span>`}</p>
    ${result.error !== null && notice('bad', html`<b>${result.error.code}</b> ${result.error.message}`)}
    ${settings(explain)}
    <h2>Conditions</h2>${tree(explain['conditions'])}
    ${explain['columns'] !== null && explain['columns'] !== undefined && html`<h2>Columns</h2>${tree(explain['columns'])}`}
    ${
      request !== null &&
      html`<h2>Request</h2>
      <p><b>${request.method}</b> <code class="wrap">${request.url}</code></p>
      ${code(
        Object.entries(request.headers)
          .map(([name, value]) => `${name}: ${value}`)
          .join('\n'),
        { label: 'Headers' },
      )}
      ${code(prettyJson(request.body), { label: 'Body' })}
      <p class="muted">${Buffer.byteLength(request.body)} bytes${isJson(request.body) ? ', valid JSON' : ', not JSON'}</p>`
    }`;
}

function isJson(text: string): boolean {
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false;
  }
}

/** Whether it is enabled and for this model and event. */
function settings(explain: JsonObject): Html {
  const rows = (['model', 'event'] as const).map((name) => {
    const one = explain[name];
    const { expected, found } = (typeof one === 'object' && one !== null ? one : {}) as Readonly<
      Record<string, Json>
    >;
    const wanted = Array.isArray(expected) ? expected.map(String) : [];
    const isMet = wanted.includes('*') || wanted.includes(String(found));
    return leafRow(isMet ? 'true' : 'false', html`${name} is ${wanted.join(' or ')}`, found ?? null, '');
  });
  return html`<ul class="tree">${rows}</ul>`;
}

/** The tree of conditions, each leaf with the value it saw and why. */
function tree(node: Json | undefined): Html {
  if (typeof node !== 'object' || node === null || Array.isArray(node)) return html``;
  return html`<ul class="tree">${branch(node)}</ul>`;
}

function branch(node: JsonObject): Html {
  const result = String(node['result']);
  const children = node['conditions'];
  if (Array.isArray(children)) {
    return html`<li>${mark(result)} <b>${String(node['op'])}</b> <span class="muted">${result}</span>
      <ul>${children.map((child) => branch(child as JsonObject))}</ul></li>`;
  }
  if (node['attr'] === undefined)
    return html`<li>${mark(result)} <span>${String(node['why'] ?? '')}</span></li>`;
  const negated = node['negate'] === true ? 'not ' : '';
  const value = node['value'] === undefined ? '' : stringifyJson(node['value'] ?? null);
  const question = html`<code>${String(node['attr'])}</code> ${negated}${String(node['op'])} ${value !== '' && html`<code>${value}</code>`}`;
  return leafRow(result, question, node['seen'], String(node['why'] ?? ''));
}

function leafRow(result: string, question: Html, seen: Json | undefined, why: string): Html {
  return html`<li>${mark(result)} ${question}
    <div class="seen">${seen !== undefined && html`found <code>${stringifyJson(seen)}</code> `}<span class="muted">${why}</span></div></li>`;
}

function mark(result: string): Html {
  const [sign, tone] =
    result === 'true'
      ? ['✓', 'good-text']
      : result === 'false'
        ? ['✗', 'bad-text']
        : result === 'not_reached'
          ? ['·', 'muted']
          : ['?', 'warn-text'];
  return html`<span class="${tone}" role="img" aria-label="${result}">${sign}</span>`;
}
