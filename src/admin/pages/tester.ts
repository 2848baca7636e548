/**
 * The condition tester and template preview: a real Event, or one written by hand, against the definition in
 * force or an edited one. Shows each condition with the value it saw, and the request that would be made.
 */
import type { FastifyInstance, FastifyRequest } from 'fastify';
import { toWalhookError, type WalhookError } from '../../core/errors.ts';
import type { Json, JsonObject } from '../../core/json.ts';
import { stringifyJson } from '../../core/json.ts';
import type { DeliverySummary } from '../../queue/inspect.ts';
import { type TrialResult, tryEvent } from '../../trial/trial.ts';
import {
  DRAFT_FIELDS,
  type Draft,
  type DraftMistake,
  defineDraft,
  draftOf,
  eventOf,
  prettyJson,
} from '../draft.ts';
import type { AdminHost } from '../host.ts';
import { type Html, html } from '../html.ts';
import { sampleEvent } from '../testRequest.ts';
import { maskTrial } from '../trials.ts';
import { definitionOf, findWebhook, type WebhookView } from '../webhooks.ts';
import { sendPage } from './layout.ts';
import { chip, code, notice, relative } from './parts.ts';

interface Tested {
  Params: { name: string };
  Querystring: Readonly<Record<string, unknown>>;
  Body: Readonly<Record<string, unknown>> | undefined;
}

/** Real Events to choose from. */
const RECENT = 20;

export function addTester(server: FastifyInstance, host: AdminHost): void {
  server.route<Tested>({
    method: ['GET', 'POST'],
    url: '/webhooks/:name/try',
    // Shows what Events hold.
    config: { role: 'operator' },
    handler: async (request, reply) => {
      const webhook = await findWebhook(host, request.params.name);
      const body = await tester(host, request, webhook);
      return sendPage(request, reply, { title: `Try ${webhook.name}`, at: '/webhooks', body });
    },
  });
}

interface Outcome {
  readonly result: TrialResult | null;
  readonly mistakes: readonly DraftMistake[];
  readonly error: WalhookError | null;
}

async function tester(host: AdminHost, request: FastifyRequest<Tested>, webhook: WebhookView): Promise<Html> {
  const { items } = await host.store.deliveries.list(
    { webhook: webhook.key },
    { limit: RECENT, cursor: null },
  );
  const shown = draftOf(webhook.definition ?? {});
  const form = request.body ?? {};
  const draft: Draft = Object.fromEntries(
    DRAFT_FIELDS.map((field) => [field, typeof form[field] === 'string' ? form[field] : shown[field]]),
  ) as Draft;
  const chosen = String(request.query['event'] ?? items[0]?.id ?? '');
  const text = typeof form['event'] === 'string' ? form['event'] : await eventText(host, webhook, chosen);
  const outcome = tried(host, webhook, draft, shown, text);
  const path = `/webhooks/${encodeURIComponent(webhook.key)}`;
  return html`<p class="crumbs"><a href="/webhooks">Webhooks</a> / <a href="${path}">${webhook.name}</a></p>
    <h1>Try conditions and templates</h1>
    <p class="hint">Nothing is saved and nothing is sent.</p>
    ${recentForm(path, items, chosen, host.clock.now())}
    <div class="columns">
      <form method="post" action="${path}/try" class="tester">
        <input type="hidden" name="_csrf" value="${request.csrf}">
        ${field('event', 'Event', text, 14)}
        ${field('conditions', 'Conditions (YAML or JSON)', draft.conditions, 6)}
        ${field('url', 'URL', draft.url, 2)}
        ${field('additional_headers', 'Headers', draft.additional_headers, 3)}
        ${field('body_template', 'Body (empty: the Event)', draft.body_template, 6)}
        <button class="primary">Try</button>
      </form>
      <section aria-live="polite" class="outcome">${shownOutcome(outcome)}</section>
    </div>`;
}

function recentForm(path: string, items: readonly DeliverySummary[], chosen: string, nowMs: number): Html {
  if (items.length === 0) {
    return html`<p class="muted">No real Event of this webhook is in the queue; the one below is made up.</p>`;
  }
  return html`<form method="get" action="${path}/try" class="bar">
    <label for="recent">Recent Event</label>
    <select id="recent" name="event">${items.map(
      ({ id, model, key, state, committedAtMs }) =>
        html`<option value="${id}"${id === chosen && html` selected`}>${model} ${key}, ${relative(committedAtMs - nowMs)}, ${state}</option>`,
    )}</select>
    <button>Take</button>
  </form>`;
}

async function eventText(host: AdminHost, webhook: WebhookView, id: string): Promise<string> {
  const detail = id === '' ? null : await host.store.deliveries.get(id);
  if (detail?.event != null) return prettyJson(detail.event);
  return prettyJson(stringifyJson(sampleEvent(definitionOf(host, webhook.key).match, host.clock.now())));
}

function tried(host: AdminHost, webhook: WebhookView, draft: Draft, shown: Draft, text: string): Outcome {
  try {
    const { definition, mistakes } = defineDraft(host, webhook.key, draft, shown);
    if (definition === null) return { result: null, mistakes, error: null };
    const result = maskTrial(host, tryEvent(definition, eventOf(text), `walhook/${host.version}`));
    return { result, mistakes, error: null };
  } catch (error) {
    return { result: null, mistakes: [], error: toWalhookError(error) };
  }
}

function field(name: string, label: string, value: string, rows: number): Html {
  return html`<label for="${name}">${label}</label>
    <textarea id="${name}" name="${name}" rows="${rows}" spellcheck="false" autocapitalize="off">${value}</textarea>`;
}

function shownOutcome({ result, mistakes, error }: Outcome): Html {
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
