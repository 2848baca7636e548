/** Gaps, and filling them: the present rows of a model are sent as Events, for a Gap or for a receiver that starts late. */
import type { FastifyInstance, FastifyRequest } from 'fastify';
import { WalhookError } from '../../core/errors.ts';
import { cancelReplay, type Replay, readReplays, requestReplay } from '../../queue/replays.ts';
import { isAllowed } from '../access.ts';
import { type GapView, listGaps } from '../gaps.ts';
import { audit } from '../guard.ts';
import type { AdminHost } from '../host.ts';
import { type Html, html } from '../html.ts';
import { namesByKey } from '../webhooks.ts';
import { sendPage } from './layout.ts';
import { actButton, empty, isoToMs, notice, number, table, time } from './parts.ts';

interface Asked {
  Params: { id: string };
  Querystring: Readonly<Record<string, unknown>>;
  Body: Readonly<Record<string, unknown>> | undefined;
}

const DEFAULT_RATE = 200;
const MAX_RATE = 100_000;
/** Of those that have ended. */
const SHOWN_REPLAYS = 20;

export function addGapPages(server: FastifyInstance, host: AdminHost): void {
  const operator = { role: 'operator' } as const;
  server.get<Asked>('/gaps', { config: { role: 'viewer' } }, async (request, reply) => {
    const [gaps, replays] = await Promise.all([listGaps(host), readReplays(host.store)]);
    const mayFill = request.identity !== null && isAllowed(request.identity.role, 'operator');
    const body = html`${gapsPart(host, gaps, mayFill)}${replaysPart(host, replays, request, mayFill)}`;
    return sendPage(request, reply, { title: 'Gaps', at: '/gaps', isLive: true, body });
  });
  server.get<Asked>('/gaps/fill', { config: operator }, async (request, reply) => {
    const body = await fillPage(host, request);
    return sendPage(request, reply, { title: 'Replay', at: '/gaps', body });
  });
  server.post<Asked>('/gaps/fill', { config: operator }, async (request, reply) => {
    await fill(host, request);
    return reply.redirect('/gaps', 303);
  });
  server.post<Asked>('/replays/:id/cancel', { config: operator }, async (request, reply) => {
    const { id } = request.params;
    const replay = await cancelReplay(host.store, id, host.clock.now());
    if (replay === null) throw new WalhookError('NOT_FOUND', 'expected the id of a replay, found none of it');
    audit(host, request, 'replay cancelled', { replay: id, rows: replay.rows });
    return reply.redirect('/gaps', 303);
  });
}

async function fill(host: AdminHost, request: FastifyRequest<Asked>): Promise<void> {
  const text = (name: string) => String(request.body?.[name] ?? '').trim();
  const rate = Number(text('rate') || DEFAULT_RATE);
  if (!Number.isInteger(rate) || rate < 1 || rate > MAX_RATE) {
    throw new WalhookError('REQUEST_INVALID', `expected 1 to ${MAX_RATE} rows a second`);
  }
  const model = text('model');
  if (model === '') throw new WalhookError('REQUEST_INVALID', 'expected a model');
  const gap = text('gap') === '' ? null : Number(text('gap'));
  if (gap !== null && !(await listGaps(host)).some(({ id }) => id === gap)) {
    throw new WalhookError('NOT_FOUND', 'expected the number of a Gap, found another');
  }
  const webhook = text('webhook') === '' ? null : text('webhook');
  if (webhook !== null && !namesByKey(host).has(webhook)) {
    throw new WalhookError('WEBHOOK_UNKNOWN', 'expected the key of a webhook, found another text');
  }
  const wish = { model, where: null, gap, webhook, rowsPerSecond: rate };
  const { id } = await requestReplay(host.store, wish, host.clock.now());
  audit(host, request, 'replay asked for', { replay: id, model, gap, webhook, rate });
}

async function fillPage(host: AdminHost, request: FastifyRequest<Asked>): Promise<Html> {
  const number = Number(request.query['gap']);
  const gap = (await listGaps(host)).find(({ id }) => id === number) ?? null;
  const models = await host.rows.modelNames(host.live.current.loaded.config);
  const ofGap = Object.keys(gap?.models ?? {});
  const offered = ofGap.length > 0 ? ofGap : models;
  return html`<p class="crumbs"><a href="/gaps">Gaps</a></p>
    <h1>${gap === null ? 'Send present rows' : `Fill Gap ${gap.id}`}</h1>
    <p>Every row of the model as it is now is sent as a <b>created</b> Event. What has been deleted meanwhile, and what rows were in between, stays untold.</p>
    ${gap !== null && gap.models === null && notice('warn', 'Nobody could count what this Gap holds: it may concern every model.')}
    <form method="post" action="/gaps/fill" class="narrow">
      <input type="hidden" name="_csrf" value="${request.csrf}"><input type="hidden" name="gap" value="${gap?.id ?? ''}">
      <div class="field"><label for="g-model">Model</label>
        <input id="g-model" name="model" list="g-models" required autocomplete="off" value="${offered.length === 1 ? offered[0] : ''}">
        <datalist id="g-models">${offered.map((name) => html`<option value="${name}"></option>`)}</datalist>
        <p class="hint">${offered.slice(0, 20).join(', ')}</p></div>
      <div class="field"><label for="g-webhook">For</label><select id="g-webhook" name="webhook">
        <option value="">every webhook that watches its created</option>
        ${[...namesByKey(host)].map(([key, name]) => html`<option value="${key}"${key === gap?.webhook && html` selected`}>${name}</option>`)}</select></div>
      <div class="field"><label for="g-rate">Rows a second</label><input id="g-rate" name="rate" inputmode="numeric" value="${DEFAULT_RATE}"></div>
      <div class="bar"><button class="primary">Begin</button> <a href="/gaps">Back</a></div>
    </form>`;
}

const REPLAY_TONES = {
  waiting: 'calm',
  running: 'calm',
  done: 'good',
  cancelled: 'dim',
  failed: 'bad',
} as const;

function replaysPart(
  host: AdminHost,
  replays: readonly Replay[],
  request: FastifyRequest,
  mayFill: boolean,
): Html {
  const nowMs = host.clock.now();
  const names = namesByKey(host);
  const newest = replays.toReversed().slice(0, SHOWN_REPLAYS);
  return html`<div class="head"><h2>Replays</h2><div class="acts">${mayFill && html`<a class="button" href="/gaps/fill">Send present rows…</a>`}</div></div>
    ${
      newest.length === 0
        ? empty('None was asked for.', 'A replay sends the present rows of a model as Events.')
        : table(
            [
              'Replay',
              'Model',
              'For',
              'State',
              { label: 'Rows', isNumber: true },
              { label: 'Deliveries', isNumber: true },
              'Asked for',
              'Act',
            ],
            newest.map(
              ({ id, model, gap, webhook, state, rows, deliveries, error, requestedAtMs, endedAtMs }) => [
                html`<code>${id}</code>${gap !== null && html` <span class="muted">Gap ${gap}</span>`}`,
                model,
                webhook === null ? 'all' : (names.get(webhook) ?? webhook),
                html`<span class="chip ${REPLAY_TONES[state]}">${state}</span>${error !== null && html`<div class="bad-text">${error}</div>`}`,
                number(rows),
                number(deliveries),
                time(requestedAtMs, nowMs),
                mayFill && endedAtMs === null
                  ? actButton(`/replays/${id}/cancel`, 'Cancel', request.csrf)
                  : html`<span class="muted">–</span>`,
              ],
            ),
            'Replays',
          )
    }`;
}

const GAP_TONES = { growing: 'bad', open: 'warn', settled: 'good' } as const;

/** A lost slot concerns every table; the first ones say enough. */
const MAX_TABLES = 8;

function gapsPart(host: AdminHost, gaps: readonly GapView[], mayFill: boolean): Html {
  const nowMs = host.clock.now();
  return html`<h1>Gaps</h1>
    <p class="muted">Stretches of Changes known not to have been delivered. A Gap is filled by sending the present rows of its models.</p>
    ${
      gaps.length === 0
        ? empty('There is no Gap.', 'Everything that was matched has been stored.')
        : table(
            [
              'Gap',
              'Why',
              'Webhook',
              'What',
              'LSN',
              'Committed',
              'Found',
              'State',
              ...(mayFill ? ['Act'] : []),
            ],
            gaps.map((gap) => [
              html`<code>${gap.id}</code>`,
              gap.detail,
              gap.webhook_name ?? 'all',
              [
                ...Object.entries(gap.models ?? {}).map(
                  ([model, count]) => html`${model} ${number(count)}<br>`,
                ),
                ...gap.tables.slice(0, MAX_TABLES).map((name) => html`${name}<br>`),
                gap.tables.length > MAX_TABLES && html`and ${gap.tables.length - MAX_TABLES} more`,
              ],
              html`<code>${gap.first_lsn ?? '?'}</code> – <code>${gap.last_lsn ?? '?'}</code>`,
              html`${time(isoToMs(gap.first_at), nowMs)} – ${time(isoToMs(gap.last_at), nowMs)}`,
              time(isoToMs(gap.found_at), nowMs),
              html`<span class="chip ${GAP_TONES[gap.state]}">${gap.state}</span>`,
              ...(mayFill
                ? [
                    gap.state === 'settled'
                      ? html`<span class="muted">–</span>`
                      : html`<a class="button" href="/gaps/fill?gap=${gap.id}">Fill…</a>`,
                  ]
                : []),
            ]),
            'Gaps',
          )
    }`;
}
