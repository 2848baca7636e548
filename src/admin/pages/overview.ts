/** The overview: is capturing well, is delivering well, and what is not. */
import type { FastifyInstance } from 'fastify';
import type { Sample } from '../../observe/sampler.ts';
import { type AdminHost, adminConfig } from '../host.ts';
import { type Html, html } from '../html.ts';
import { listWebhooks, type WebhookView } from '../webhooks.ts';
import { chart } from './chart.ts';
import { sendPage } from './layout.ts';
import {
  alarming,
  bytes,
  chip,
  empty,
  milliseconds,
  notice,
  number,
  quietZero,
  seconds,
  table,
} from './parts.ts';

export function addOverview(server: FastifyInstance, host: AdminHost): void {
  server.get('/', { config: { role: 'viewer' } }, async (request, reply) => {
    const sample = host.sampler.latest ?? (await host.sampler.sample());
    const webhooks = sample.queueError === null ? await listWebhooks(host).catch(() => null) : null;
    return sendPage(request, reply, {
      title: 'Overview',
      at: '/',
      isLive: true,
      body: html`<h1>Overview</h1>
        ${troubles(host, sample)}
        <div class="cards">${captureCard(host, sample)}${budgetCard(host, sample)}${deliverCard(host, webhooks)}${latencyCard(sample)}</div>
        ${charts(host)}
        <h2>Webhooks with trouble</h2>
        ${webhooks === null ? empty('The queue does not answer.') : failing(webhooks)}`,
    });
  });
}

function troubles(host: AdminHost, { slotError, queueError }: Sample): Html {
  const { last } = host.reloader;
  const open = adminConfig(host).tokens.length === 0;
  return html`${[slotError, queueError].map(
    (error) =>
      error !== null && notice('bad', html`<b>${error.code}</b> ${error.message}<br>Try: ${error.remedy}`),
  )}${
    last !== null &&
    last.error !== null &&
    notice(
      'bad',
      html`<b>The last reload was refused</b>, the configuration of before is in force. <a href="/system">Why</a>`,
    )
  }${open && html`<p class="hint">Whoever reaches this port of this machine is an admin here: <code>admin.tokens</code> is empty.</p>`}`;
}

function captureCard(host: AdminHost, { slot }: Sample): Html {
  const state = host.metrics.captureState;
  const captures =
    state !== null
      ? chip(state)
      : slot?.slot.activePid != null
        ? html`${chip('capturing')} <span class="muted">by another process</span>`
        : html`${chip('missing')} <span class="muted">nobody captures</span>`;
  return html`<section class="card"><h2>Capture</h2>
    <p class="big">${slot === null ? '–' : bytes(slot.slot.lagBytes)} <span class="unit">behind</span></p>
    <p>${captures}</p>
    <p class="muted">${state === 'capturing' ? `oldest commit not stored: ${seconds(host.metrics.captureLagSeconds)}` : slot?.capturedBy != null && `streams to ${slot.capturedBy}`}</p>
  </section>`;
}

function budgetCard(host: AdminHost, { slot }: Sample): Html {
  const retained = slot?.slot.retainedBytes ?? null;
  const limit = slot?.budgetBytes ?? null;
  const share = retained === null || limit === null || limit === 0 ? null : Math.min(1, retained / limit);
  const left = host.sampler.secondsLeft();
  return html`<section class="card"><h2>WAL budget</h2>
    <p class="big">${bytes(retained)} <span class="unit">retained</span></p>
    ${share !== null && html`<meter min="0" max="1" low="0.5" high="0.8" optimum="0" value="${share.toFixed(4)}">${Math.round(share * 100)} %</meter>`}
    <p class="muted">${
      limit === null
        ? 'No limit is set: neither max_slot_wal_keep_size nor postgres.wal_budget.'
        : html`of ${bytes(limit)}${left === null ? ', not growing' : html`, used up in about <b>${seconds(left)}</b>`}`
    }</p>
    ${slot !== null && html`<p>slot ${chip(slot.slot.walStatus)}</p>`}
  </section>`;
}

function latencyCard({ latency }: Sample): Html {
  return html`<section class="card"><h2>Commit → delivered</h2>
    <p class="big">${latency === null ? '–' : milliseconds(latency.p50Ms)} <span class="unit">p50</span></p>
    <p>${latency === null ? '–' : html`<b>${milliseconds(latency.p95Ms)}</b>`} <span class="unit">p95</span></p>
    <p class="muted">${latency === null ? 'Nothing has been delivered lately.' : `of the newest ${number(latency.count)} delivered, retries included`}</p>
  </section>`;
}

function deliverCard(host: AdminHost, webhooks: readonly WebhookView[] | null): Html {
  const sum = (key: 'waiting' | 'delayed' | 'active' | 'failed') =>
    (webhooks ?? []).reduce((total, { counts }) => total + counts[key], 0);
  const rate = host.sampler.history().at(-1)?.deliveredPerSecond ?? null;
  return html`<section class="card"><h2>Delivery</h2>
    <p class="big">${rate === null ? '–' : number(rate)} <span class="unit">delivered per second</span></p>
    <p>${number(sum('waiting') + sum('active'))} waiting · ${number(sum('delayed'))} to be retried</p>
    <p><a href="/failures">${sum('failed') > 0 ? html`<b class="alarm">${number(sum('failed'))} failed</b>` : '0 failed'}</a></p>
  </section>`;
}

function charts(host: AdminHost): Html {
  const history = host.sampler.history();
  const points = (
    key: 'lagBytes' | 'retainedBytes' | 'backlog' | 'deliveredPerSecond' | 'p95Ms' | 'captureLagSeconds',
  ) => history.map((point) => ({ atMs: point.atMs, value: point[key] }));
  return html`<div class="charts">
    ${chart('Lag in bytes', points('lagBytes'), bytes)}
    ${chart('Lag in time', points('captureLagSeconds'), seconds)}
    ${chart('WAL retained', points('retainedBytes'), bytes)}
    ${chart('Commit → delivered, p95', points('p95Ms'), milliseconds)}
    ${chart('Delivered per second', points('deliveredPerSecond'), number)}
    ${chart('Waiting and retried', points('backlog'), number)}
  </div>`;
}

const TROUBLED: ReadonlySet<string> = new Set(['paused', 'parked', 'invalid', 'orphan']);

function failing(webhooks: readonly WebhookView[]): Html {
  const troubled = webhooks.filter(
    ({ counts, state }) => counts.failed > 0 || counts.delayed > 0 || TROUBLED.has(state),
  );
  if (troubled.length === 0) {
    return webhooks.length === 0
      ? empty(
          'No webhook is defined.',
          html`<a href="/webhooks">Make one</a>, or add one to the configuration file.`,
        )
      : empty('Every webhook delivers.', 'What fails, is retried, or is paused stands here.');
  }
  return table(
    ['Webhook', 'State', num('Waiting'), num('Retried'), num('Failed'), num('Delivered')],
    troubled.map(({ name, key, state, counts }) => [
      html`<a href="/webhooks/${encodeURIComponent(key)}">${name}</a>`,
      chip(state),
      quietZero(counts.waiting),
      quietZero(counts.delayed),
      alarming(counts.failed),
      number(counts.deliveredTotal),
    ]),
    'Webhooks with trouble',
  );
}

function num(label: string) {
  return { label, isNumber: true } as const;
}
