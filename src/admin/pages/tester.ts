/**
 * The condition tester and template preview: a real Event, or one written by hand, against the definition in
 * force or an edited one. Shows each condition with the value it saw, and the request that would be made.
 */
import type { FastifyInstance, FastifyRequest } from 'fastify';
import { toWalhookError } from '../../core/errors.ts';
import { stringifyJson } from '../../core/json.ts';
import type { DeliverySummary } from '../../queue/inspect.ts';
import { tryEvent } from '../../trial/trial.ts';
import { DRAFT_FIELDS, type Draft, defineDraft, draftOf, eventOf, prettyJson } from '../draft.ts';
import type { AdminHost } from '../host.ts';
import { type Html, html } from '../html.ts';
import { sampleEvent } from '../testRequest.ts';
import { maskTrial } from '../trials.ts';
import { definitionOf, findWebhook, type WebhookView } from '../webhooks.ts';
import { sendPage } from './layout.ts';
import { type Outcome, shownOutcome } from './outcome.ts';
import { relative } from './parts.ts';

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
