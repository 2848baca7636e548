/** Webhooks: the list, and the page of each with its definition, counts and recent Deliveries. */
import type { FastifyInstance, FastifyRequest } from 'fastify';
import { stringify } from 'yaml';
import { isAllowed } from '../access.ts';
import { pauseOrResume, testWebhook } from '../acts.ts';
import { jsonOfMany, maySeePayloads } from '../deliveries.ts';
import type { AdminHost } from '../host.ts';
import { type Html, html } from '../html.ts';
import { findWebhook, listWebhooks, type WebhookView } from '../webhooks.ts';
import { deliveryTable } from './deliveryTable.ts';
import { sendPage } from './layout.ts';
import { missesPart } from './misses.ts';
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
  seconds,
  table,
} from './parts.ts';

const num = (label: string) => ({ label, isNumber: true }) as const;

interface Named {
  Params: { name: string };
  Querystring: Readonly<Record<string, unknown>>;
}

export function addWebhookPages(server: FastifyInstance, host: AdminHost): void {
  server.get<Pick<Named, 'Querystring'>>(
    '/webhooks',
    { config: { role: 'viewer' } },
    async (request, reply) => {
      const webhooks = await listWebhooks(host);
      return sendPage(request, reply, {
        title: 'Webhooks',
        at: '/webhooks',
        isLive: true,
        body: html`${doneToList(request)}${list(host, request, webhooks)}`,
      });
    },
  );
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

function list(
  host: AdminHost,
  request: Pick<FastifyRequest, 'identity'>,
  webhooks: readonly WebhookView[],
): Html {
  const mayEdit = request.identity !== null && isAllowed(request.identity.role, 'admin');
  const head = html`<div class="head"><h1>Webhooks</h1><div class="acts">${mayEdit && html`<a class="button primary" href="/webhooks/new">New webhook</a>`}</div></div>`;
  if (webhooks.length === 0) {
    return html`${head}${empty(
      'No webhook is defined.',
      mayEdit
        ? 'Make one here, or add one to the configuration file and reload it on the page System.'
        : 'An admin can make one here, or add one to the configuration file.',
    )}`;
  }
  const samples = host.sampler.latest?.queue ?? null;
  return html`${head}${table(
    [
      'Webhook',
      'State',
      'Models',
      'Events',
      num('Waiting'),
      'Oldest',
      num('Retried'),
      num('Failed'),
      num('Delivered'),
      num('Success'),
    ],
    webhooks.map((webhook) => {
      const { key, name, state, models, events, counts } = webhook;
      const oldestMs = samples?.get(key)?.oldestMs ?? 0;
      return [
        html`<a href="/webhooks/${encodeURIComponent(key)}">${name}</a><div class="sub">${definedIn(webhook)}</div>`,
        html`${chip(state)}${webhook.row !== null && pendingChip(webhook)}`,
        models.join(', ') || '–',
        events.join(', ') || '–',
        quietZero(counts.waiting + counts.active),
        oldestMs === 0 ? html`<span class="muted">–</span>` : seconds(oldestMs / 1_000),
        quietZero(counts.delayed),
        alarming(counts.failed),
        number(counts.deliveredTotal),
        success(counts),
      ];
    }),
    'Webhooks',
  )}`;
}

/** Of all that have ended, how many were delivered. */
function success({ deliveredTotal, failedTotal }: WebhookView['counts']): Html {
  const ended = deliveredTotal + failedTotal;
  if (ended === 0) return html`<span class="muted">–</span>`;
  // One failure among many does not round to all.
  const percent = failedTotal === 0 ? 100 : Math.min(99.9, (100 * deliveredTotal) / ended);
  return html`${number(percent)} %`;
}

function definedIn({ source, line }: WebhookView): Html {
  if (source === 'file') return html`<span class="muted">file${line !== null && `, line ${line}`}</span>`;
  return html`<span class="muted">${source === 'row' ? 'row' : 'defined no more'}</span>`;
}

function pendingChip({ row, state }: WebhookView): Html | null {
  if (row === null || row.pending === 'nothing' || row.pending === 'unknown' || state === 'pending')
    return null;
  return html` <span class="chip calm">${row.pending}, not yet in force</span>`;
}

async function detail(host: AdminHost, request: FastifyRequest<Named>, webhook: WebhookView): Promise<Html> {
  const { name, key, state, counts, definition } = webhook;
  const mayOperate = request.identity !== null && isAllowed(request.identity.role, 'operator');
  const mayEdit = request.identity !== null && isAllowed(request.identity.role, 'admin');
  const recent = await host.store.deliveries.list({ webhook: key }, { limit: 10, cursor: null });
  const path = `/webhooks/${encodeURIComponent(key)}`;
  return html`<p class="crumbs"><a href="/webhooks">Webhooks</a></p>
    <div class="head"><h1>${name}</h1> ${chip(state)}
      <div class="acts">${mayOperate && acts(webhook, path, request.csrf)}
        ${definition !== null && mayOperate && TRIED.has(state) && html`<a class="button" href="${path}/try">Try conditions and templates</a>`}
        ${mayEdit && editActs(webhook, path, request.csrf)}
      </div></div>
    ${done(request.query)}
    ${state === 'orphan' && notice('warn', 'This webhook is defined no more. Its Deliveries wait until it returns, someone cancels them, or retention ends.')}
    ${state === 'paused' && notice('warn', 'Paused: Deliveries go on being queued and are sent after Resume.')}
    ${counts.isBraked && notice('warn', 'Its brake paused it: there were more matches than brake allows. Look at why, then resume it.')}
    ${state === 'parked' && notice('warn', 'Its receiver is down: a few requests probe it, the others wait.')}
    ${state === 'disabled' && notice('warn', 'Disabled: Changes pass it by, and what is queued waits.')}
    ${rowNotices(webhook)}
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
    ${definition !== null && (await missesPart(host, key, maySeePayloads(host, request.identity)))}
    ${definition !== null && html`<h2>Definition</h2>${definedAt(webhook)}${code(stringify(definition), { label: 'Definition, as YAML' })}`}`;
}

/** States in which there is a definition to try. */
const TRIED: ReadonlySet<string> = new Set(['active', 'paused', 'parked', 'disabled']);

function editActs({ source, row, definition }: WebhookView, path: string, csrf: string): Html | null {
  const copy = html`<a class="button" href="/webhooks/new?like=${encodeURIComponent(path.split('/').at(-1) ?? '')}">Copy</a>`;
  if (source === 'file') return html`${copy}`;
  if (source !== 'row' || row === null || row.pending === 'deleted') return null;
  const isOff = definition?.['enabled'] === false;
  return html`<a class="button" href="${path}/edit">Edit</a>
    ${actButton(`${path}/${isOff ? 'enable' : 'disable'}`, isOff ? 'Enable' : 'Disable', csrf)}
    <a class="button" href="${path}/delete">Delete…</a>${copy}`;
}

function definedAt({ source, line }: WebhookView): Html {
  return source === 'file'
    ? html`<p class="muted">In the configuration file${line !== null && html`, line <b>${line}</b>`}, with its defaults. It is edited there, and reloaded on the page <a href="/system">System</a>.</p>`
    : html`<p class="muted">A row of <code>walhook.webhook</code>, as it is in force.</p>`;
}

/** Why a row is not in force, and what of it is on its way. */
function rowNotices({ row, state }: WebhookView): Html | null {
  if (row === null) return null;
  const { mistakes, pending } = row;
  return html`${
    state === 'invalid' &&
    html`<div class="notice bad" role="alert"><b>Invalid, not in force, not even in part.</b><ul>${mistakes.map(
      ({ path, message }) => html`<li>${path !== '' && html`<code>${path}</code>: `}${message}</li>`,
    )}</ul></div>`
  }${PENDING_WORDS[pending] !== undefined && notice('warn', PENDING_WORDS[pending])}`;
}

const PENDING_WORDS: Readonly<Record<string, string>> = {
  new: 'Saved. It is in force from its place in the stream on, once capturing has come to it.',
  changed:
    'A change has been saved that is in force from its place in the stream on, once capturing has come to it. Below is what is in force now.',
  deleted: 'Deleted: it sends nothing more. It goes from here once capturing has come to it.',
};

function acts({ state, name }: WebhookView, path: string, csrf: string): Html {
  return html`${
    state === 'paused'
      ? actButton(`${path}/resume`, 'Resume', csrf, { tone: 'primary' })
      : actButton(`${path}/pause`, 'Pause', csrf)
  }${TRIED.has(state) && actButton(`${path}/test`, 'Send a test', csrf, { confirm: `Send one request, marked webhook-test: 1, to the receiver of “${name}”?` })}`;
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

function doneToList({ query }: FastifyRequest<Pick<Named, 'Querystring'>>): Html | null {
  return query['done'] === 'delete' ? notice('good', 'Deleted.') : null;
}

/** What the act before this page did: known words and numbers only. */
function done(query: Readonly<Record<string, unknown>>): Html | null {
  switch (query['done']) {
    case 'pause':
      return notice('good', 'Paused.');
    case 'resume':
      return notice('good', 'Resumed.');
    case 'saved':
      return notice('good', 'Saved.');
    case 'enable':
      return notice('good', 'Enabled.');
    case 'disable':
      return notice('good', 'Disabled: it sends nothing more.');
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
