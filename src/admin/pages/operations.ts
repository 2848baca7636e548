/** The live tail, background tasks and Gaps. */
import type { FastifyInstance } from 'fastify';
import type { Worker } from '../../queue/workers.ts';
import { isAllowed } from '../access.ts';
import { type GapView, listGaps } from '../gaps.ts';
import type { AdminHost } from '../host.ts';
import { type Html, html } from '../html.ts';
import { listWebhooks } from '../webhooks.ts';
import { sendPage } from './layout.ts';
import {
  actButton,
  alarming,
  bytes,
  chip,
  definitions,
  empty,
  isoToMs,
  notice,
  number,
  quietZero,
  seconds,
  table,
  time,
} from './parts.ts';

const num = (label: string) => ({ label, isNumber: true }) as const;

export function addOperationPages(server: FastifyInstance, host: AdminHost): void {
  server.get('/tail', { config: { role: 'viewer' } }, (request, reply) =>
    sendPage(request, reply, { title: 'Live tail', at: '/tail', body: tailPage(host) }),
  );
  server.get('/tasks', { config: { role: 'viewer' } }, async (request, reply) => {
    const mayOperate = request.identity !== null && isAllowed(request.identity.role, 'operator');
    const body = await tasksPage(host, mayOperate, request.csrf);
    return sendPage(request, reply, { title: 'Background tasks', at: '/tasks', isLive: true, body });
  });
  server.get('/gaps', { config: { role: 'viewer' } }, async (request, reply) => {
    const gaps = await listGaps(host);
    return sendPage(request, reply, { title: 'Gaps', at: '/gaps', body: gapsPage(host, gaps) });
  });
}

function tailPage(host: AdminHost): Html {
  const names = host.live.current.webhooks.map(({ match }) => match.name);
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
                  ? actButton(
                      `${path}/${counts.isPaused ? 'resume' : 'pause'}`,
                      counts.isPaused ? 'Resume' : 'Pause',
                      csrf,
                    )
                  : html`<span class="muted">–</span>`,
              ];
            }),
            'Queues',
          )
    }
    <h2>Workers</h2>
    ${workersPart(workers, host.clock.now())}`;
}

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

const GAP_TONES = { growing: 'bad', open: 'warn', settled: 'good' } as const;

/** A lost slot concerns every table; the first ones say enough. */
const MAX_TABLES = 8;

function gapsPage(host: AdminHost, gaps: readonly GapView[]): Html {
  const nowMs = host.clock.now();
  return html`<h1>Gaps</h1>
    <p class="muted">Stretches of Changes known not to have been delivered. <code>walhook replay --gap</code> sends the current rows of a model to fill one.</p>
    ${
      gaps.length === 0
        ? empty('There is no Gap.', 'Everything that was matched has been stored.')
        : table(
            ['Gap', 'Why', 'Webhook', 'What', 'LSN', 'Committed', 'Found', 'State'],
            gaps.map((gap) => [
              html`<code>${gap.id}</code>`,
              gap.detail,
              gap.webhook_name ?? 'all',
              [
                ...Object.entries(gap.models ?? {}).map(
                  ([model, count]) => html`${model} ${number(count)}<br>`,
                ),
                ...gap.tables.slice(0, MAX_TABLES).map((table) => html`${table}<br>`),
                gap.tables.length > MAX_TABLES && html`and ${gap.tables.length - MAX_TABLES} more`,
              ],
              html`<code>${gap.first_lsn ?? '?'}</code> – <code>${gap.last_lsn ?? '?'}</code>`,
              html`${time(isoToMs(gap.first_at), nowMs)} – ${time(isoToMs(gap.last_at), nowMs)}`,
              time(isoToMs(gap.found_at), nowMs),
              html`<span class="chip ${GAP_TONES[gap.state]}">${gap.state}</span>`,
            ]),
            'Gaps',
          )
    }`;
}
