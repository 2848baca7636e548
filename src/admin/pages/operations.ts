/** The live tail and background tasks. */
import type { FastifyInstance, FastifyRequest } from 'fastify';
import type { Worker } from '../../queue/workers.ts';
import { isAllowed } from '../access.ts';
import { jsonOfMany } from '../deliveries.ts';
import type { AdminHost } from '../host.ts';
import { type Html, html } from '../html.ts';
import { listWebhooks, namesByKey, type WebhookView } from '../webhooks.ts';
import { deliveryTable } from './deliveryTable.ts';
import { sendPage } from './layout.ts';
import {
  actButton,
  alarming,
  bytes,
  chip,
  definitions,
  empty,
  notice,
  number,
  quietZero,
  seconds,
  table,
  time,
} from './parts.ts';

const num = (label: string) => ({ label, isNumber: true }) as const;

interface Tasks {
  Querystring: Readonly<Record<string, unknown>>;
}

export function addOperationPages(server: FastifyInstance, host: AdminHost): void {
  server.get('/tail', { config: { role: 'viewer' } }, (request, reply) =>
    sendPage(request, reply, { title: 'Live tail', at: '/tail', body: tailPage(host) }),
  );
  server.get<Tasks>('/tasks', { config: { role: 'viewer' } }, async (request, reply) => {
    const mayOperate = request.identity !== null && isAllowed(request.identity.role, 'operator');
    const body = html`${await tasksPage(host, mayOperate, request.csrf)}${await jobsPart(host, request, mayOperate)}`;
    return sendPage(request, reply, { title: 'Background tasks', at: '/tasks', isLive: true, body });
  });
}

function tailPage(host: AdminHost): Html {
  const names = [...namesByKey(host).values()];
  return html`<h1>Live tail</h1>
    <form class="bar" data-tail="/api/tail">
      <label for="t-webhook">Webhook</label>
      <select id="t-webhook" name="webhook"><option value="">any</option>${names.map((name) => html`<option value="${name}">${name}</option>`)}</select>
      <label for="t-state">State</label>
      <select id="t-state" name="state"><option value="">any</option>${['delivered', 'delayed', 'failed', 'cancelled'].map((state) => html`<option value="${state}">${state}</option>`)}</select>
      <button type="button" data-tail-pause aria-pressed="false">Pause</button>
      <span class="muted" data-tail-state role="status">connecting…</span>
    </form>
    <noscript>${notice('warn', 'The live tail needs JavaScript; the page Deliveries does not.')}</noscript>
    <div class="scroll"><table class="stack"><caption class="hidden">Deliveries as they happen</caption>
      <thead><tr><th scope="col">At</th><th scope="col">State</th><th scope="col">Webhook</th><th scope="col">Model and key</th><th scope="col">Result</th><th scope="col" class="number">Attempts</th></tr></thead>
      <tbody data-tail-rows></tbody></table></div>
    <p class="empty" data-tail-empty>Nothing yet. Change a row that a webhook watches.</p>`;
}

async function tasksPage(host: AdminHost, mayOperate: boolean, csrf: string): Promise<Html> {
  const webhooks = await listWebhooks(host);
  const workers = await host.store.workers();
  const sample = host.sampler.latest;
  const total = (key: 'waiting' | 'delayed' | 'active' | 'failed' | 'bytes') =>
    webhooks.reduce((sum, { counts }) => sum + counts[key], 0);
  return html`<h1>Background tasks</h1>
    ${definitions([
      ['Store', host.store.kind === 'redis' ? 'Redis' : 'PostgreSQL'],
      ['Waiting', number(total('waiting'))],
      ['In flight', number(total('active'))],
      ['To be retried', number(total('delayed'))],
      ['Failed, kept', alarming(total('failed'))],
      ['Held', bytes(total('bytes'))],
      ['This process', host.roles.join(', ')],
    ])}
    <h2>Queues</h2>
    <p class="muted">One queue per webhook: a backlog, a pause and a failure stay its own.</p>
    ${
      webhooks.length === 0
        ? empty('No queue yet.')
        : table(
            [
              'Queue',
              'State',
              num('Waiting'),
              num('In flight'),
              num('Retried'),
              num('Failed'),
              num('Size'),
              'Oldest',
              'Act',
            ],
            webhooks.map(({ name, key, state, counts }) => {
              const oldestMs = sample?.queue?.get(key)?.oldestMs ?? null;
              const path = `/webhooks/${encodeURIComponent(key)}`;
              return [
                html`<a href="${path}">${name}</a>`,
                chip(state),
                link(name, 'waiting', counts.waiting),
                link(name, 'active', counts.active),
                link(name, 'delayed', counts.delayed),
                link(name, 'failed', counts.failed),
                counts.bytes === 0 ? quietZero(0) : bytes(counts.bytes),
                oldestMs === null || oldestMs === 0
                  ? html`<span class="muted">–</span>`
                  : seconds(oldestMs / 1_000),
                mayOperate
                  ? html`<div class="bar tight">${actButton(
                      `${path}/${counts.isPaused ? 'resume' : 'pause'}`,
                      counts.isPaused ? 'Resume' : 'Pause',
                      csrf,
                    )}${queueActs(name, counts)}</div>`
                  : html`<span class="muted">–</span>`,
              ];
            }),
            'Queues',
          )
    }
    <h2>Workers</h2>
    ${workersPart(workers, host.clock.now())}`;
}

/** With the count first, each. */
function queueActs(name: string, counts: WebhookView['counts']): Html {
  const act = (verb: 'resend' | 'cancel', state: string, label: string) =>
    html`<a class="button" href="/deliveries/all/${verb}?webhook=${encodeURIComponent(name)}&amp;state=${state}">${label}</a>`;
  return html`${counts.delayed > 0 && act('resend', 'delayed', 'Run now…')}${counts.failed > 0 && act('resend', 'failed', 'Requeue failed…')}${counts.waiting > 0 && act('cancel', 'waiting', 'Cancel waiting…')}`;
}

const JOB_STATES = ['active', 'waiting', 'delayed', 'parked', 'failed'] as const;
const JOBS_SHOWN = 25;

/** What is in one state, over all queues, with what can be done about it. */
async function jobsPart(host: AdminHost, request: FastifyRequest<Tasks>, mayOperate: boolean): Promise<Html> {
  const wanted = JOB_STATES.find((state) => state === request.query['state']) ?? 'active';
  const { items, cursor } = await host.store.deliveries.list(
    { state: wanted },
    { limit: JOBS_SHOWN, cursor: null },
  );
  const select = mayOperate && items.length > 0;
  const label = wanted === 'failed' ? 'Requeue selected' : 'Run selected now';
  return html`<h2 id="jobs">Jobs by state</h2>
    <p class="tabs">${JOB_STATES.map((state) => html`<a href="/tasks?state=${state}#jobs"${state === wanted && html` class="current" aria-current="true"`}>${JOB_WORDS[state]}</a>`)}</p>
    ${
      items.length === 0
        ? empty(`None is ${JOB_WORDS[wanted]}.`)
        : html`${
            select &&
            html`<form id="jobs-selected" class="bar" method="post" action="/deliveries/resend">
            <input type="hidden" name="_csrf" value="${request.csrf}">
            <label class="check"><input type="checkbox" data-select-all="ids"> all shown</label>
            ${(wanted === 'delayed' || wanted === 'failed') && html`<button>${label}</button>`}
            ${wanted !== 'failed' && html`<button formaction="/deliveries/cancel" data-confirm="Cancel what is selected?">Cancel selected</button>`}
          </form>`
          }${deliveryTable(jsonOfMany(host, items), { nowMs: host.clock.now(), hasWebhook: true, select: select ? 'jobs-selected' : null })}
          ${cursor !== null && html`<p><a href="/deliveries?state=${wanted}">All of them</a></p>`}`
    }`;
}

const JOB_WORDS = {
  active: 'in flight',
  waiting: 'waiting',
  delayed: 'to be retried',
  parked: 'parked',
  failed: 'failed',
} as const;

function workersPart(workers: readonly Worker[], nowMs: number): Html {
  if (workers.length === 0) return empty('No process delivers.', 'Start one: walhook run --role deliver');
  return table(
    ['Process', num('Jobs taken'), 'Last sign of life'],
    workers.map(({ process, seenMs, jobs }) => [
      html`<code>${process}</code>`,
      quietZero(jobs),
      time(seenMs, nowMs),
    ]),
    'Workers',
  );
}

function link(name: string, state: string, count: number): Html {
  if (count === 0) return quietZero(0);
  return html`<a href="/deliveries?webhook=${encodeURIComponent(name)}&amp;state=${state}">${state === 'failed' ? alarming(count) : number(count)}</a>`;
}
