/** Webhooks: the list, and the page of each with its definition, counts and recent Deliveries. */
import type { FastifyInstance, FastifyRequest } from 'fastify';
import { stringify } from 'yaml';
import { isAllowed } from '../access.ts';
import { pauseOrResume, testWebhook } from '../acts.ts';
import { jsonOfMany } from '../deliveries.ts';
import type { AdminHost } from '../host.ts';
import { type Html, html } from '../html.ts';
import { findWebhook, listWebhooks, type WebhookView } from '../webhooks.ts';
import { deliveryTable } from './deliveryTable.ts';
import { sendPage } from './layout.ts';
import {
  actButton,
  alarming,
  chip,
  code,
  definitions,
  empty,
  milliseconds,
  notice,
  number,
  quietZero,
  table,
} from './parts.ts';

const num = (label: string) => ({ label, isNumber: true }) as const;

interface Named {
  Params: { name: string };
  Querystring: Readonly<Record<string, unknown>>;
}

export function addWebhookPages(server: FastifyInstance, host: AdminHost): void {
  server.get('/webhooks', { config: { role: 'viewer' } }, async (request, reply) => {
    const webhooks = await listWebhooks(host);
    return sendPage(request, reply, {
      title: 'Webhooks',
      at: '/webhooks',
      isLive: true,
      body: list(webhooks),
    });
  });
  server.get<Named>('/webhooks/:name', { config: { role: 'viewer' } }, async (request, reply) => {
    const webhook = await findWebhook(host, request.params.name);
    const body = await detail(host, request, webhook);
    return sendPage(request, reply, { title: webhook.name, at: '/webhooks', body });
  });
  for (const act of ['pause', 'resume'] as const) {
    server.post<Named>(`/webhooks/:name/${act}`, { config: { role: 'operator' } }, async (request, reply) => {
      await pauseOrResume(host, request, request.params.name, act === 'pause');
      return reply.redirect(`/webhooks/${encodeURIComponent(request.params.name)}?done=${act}`, 303);
    });
  }
  server.post<Named>('/webhooks/:name/test', { config: { role: 'operator' } }, async (request, reply) => {
    const { attempt, isReal } = await testWebhook(host, request, request.params.name);
    const params = new URLSearchParams({
      done: 'test',
      status: attempt.status === null ? (attempt.error ?? '') : String(attempt.status),
      ms: String(Math.round(attempt.durationMs)),
      good: attempt.error === null ? '1' : '0',
      real: isReal ? '1' : '0',
    });
    return reply.redirect(`/webhooks/${encodeURIComponent(request.params.name)}?${params.toString()}`, 303);
  });
}

function list(webhooks: readonly WebhookView[]): Html {
  if (webhooks.length === 0) {
    return html`<h1>Webhooks</h1>${empty(
      'No webhook is defined.',
      'Add one under webhooks: in the configuration file, then reload it on the page System.',
    )}`;
  }
  return html`<h1>Webhooks</h1>${table(
    ['Webhook', 'State', 'Models', 'Events', num('Waiting'), num('Retried'), num('Failed'), num('Delivered')],
    webhooks.map(({ name, key, state, models, events, counts }) => [
      html`<a href="/webhooks/${encodeURIComponent(key)}">${name}</a>`,
      chip(state),
      models.join(', ') || '–',
      events.join(', ') || '–',
      quietZero(counts.waiting + counts.active),
      quietZero(counts.delayed),
      alarming(counts.failed),
      number(counts.deliveredTotal),
    ]),
    'Webhooks',
  )}<p class="hint">Defined in the configuration file; edit it there and reload it on the page <a href="/system">System</a>.</p>`;
}

async function detail(host: AdminHost, request: FastifyRequest<Named>, webhook: WebhookView): Promise<Html> {
  const { name, key, state, counts, definition } = webhook;
  const mayOperate = request.identity !== null && isAllowed(request.identity.role, 'operator');
  const recent = await host.store.deliveries.list({ webhook: key }, { limit: 10, cursor: null });
  const path = `/webhooks/${encodeURIComponent(key)}`;
  return html`<p class="crumbs"><a href="/webhooks">Webhooks</a></p>
    <div class="head"><h1>${name}</h1> ${chip(state)}
      <div class="acts">${mayOperate && acts(webhook, path, request.csrf)}
        ${definition !== null && mayOperate && html`<a class="button" href="${path}/try">Try conditions and templates</a>`}
      </div></div>
    ${done(request.query)}
    ${state === 'orphan' && notice('warn', 'This webhook is defined no more. Its Deliveries wait until it returns, someone cancels them, or retention ends.')}
    ${state === 'paused' && notice('warn', 'Paused: Deliveries go on being queued and are sent after Resume.')}
    ${counts.isBraked && notice('warn', 'Its brake paused it: there were more matches than brake allows. Look at why, then resume it.')}
    ${state === 'parked' && notice('warn', 'Its receiver is down: a few requests probe it, the others wait.')}
    ${state === 'disabled' && notice('warn', 'Disabled in the configuration: Changes pass it by.')}
    ${figures(webhook)}
    <h2>Recent Deliveries</h2>
    ${
      recent.items.length === 0
        ? empty(
            'Nothing has been matched yet.',
            'A Delivery appears here when a row changes that this webhook watches.',
          )
        : html`${deliveryTable(jsonOfMany(host, recent.items), { nowMs: host.clock.now(), hasWebhook: false, select: null })}
          <p><a href="/deliveries?webhook=${encodeURIComponent(name)}">All of this webhook</a>${counts.failed > 0 && html` · <a href="/deliveries?webhook=${encodeURIComponent(name)}&amp;state=failed">Failed ones</a>`}</p>`
    }
    ${definition !== null && html`<h2>Definition</h2>${code(stringify(definition), { label: 'Definition, as YAML' })}`}`;
}

function acts({ state, name }: WebhookView, path: string, csrf: string): Html {
  return html`${
    state === 'paused'
      ? actButton(`${path}/resume`, 'Resume', csrf, { tone: 'primary' })
      : actButton(`${path}/pause`, 'Pause', csrf)
  }${state !== 'orphan' && actButton(`${path}/test`, 'Send a test', csrf, { confirm: `Send one request, marked webhook-test: 1, to the receiver of “${name}”?` })}`;
}

function figures({ key, counts, url, models, events }: WebhookView): Html {
  return definitions([
    ['To', url === null ? '–' : html`<code class="wrap">${url}</code>`],
    ['Models', models.join(', ') || '–'],
    ['Events', events.join(', ') || '–'],
    ['Key', html`<code>${key}</code>`],
    ['Waiting', number(counts.waiting + counts.active)],
    ['To be retried', number(counts.delayed)],
    ['Failed, kept', alarming(counts.failed)],
    ['Delivered in all', number(counts.deliveredTotal)],
    ['Failed in all', number(counts.failedTotal)],
  ]);
}

/** What the act before this page did: known words and numbers only. */
function done(query: Readonly<Record<string, unknown>>): Html | null {
  switch (query['done']) {
    case 'pause':
      return notice('good', 'Paused.');
    case 'resume':
      return notice('good', 'Resumed.');
    case 'test': {
      const status = String(query['status'])
        .replace(/[^a-z0-9_]/g, '')
        .slice(0, 20);
      const took = milliseconds(Number(query['ms']) || 0);
      const what = query['real'] === '1' ? 'the newest Event' : 'a made-up Event';
      return query['good'] === '1'
        ? notice('good', `The receiver answered ${status} to ${what} within ${took}.`)
        : notice('bad', `The test with ${what} failed: ${status}, after ${took}.`);
    }
    default:
      return null;
  }
}
