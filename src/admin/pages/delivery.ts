/** One Delivery: what happened to it and when, the Event, the request, each response. */
import type { FastifyInstance, FastifyRequest } from 'fastify';
import type { LoggedAttempt } from '../../queue/attempt.ts';
import { isAllowed } from '../access.ts';
import { findDelivery } from '../api/deliveryRoutes.ts';
import { curlOf, type ShownDelivery } from '../deliveries.ts';
import { prettyJson } from '../draft.ts';
import type { AdminHost } from '../host.ts';
import { type Html, html } from '../html.ts';
import { sendPage } from './layout.ts';
import {
  actButton,
  chip,
  code,
  definitions,
  isoToMs,
  milliseconds,
  notice,
  relative,
  time,
} from './parts.ts';

const ENDED = new Set(['delivered', 'failed', 'cancelled']);

export function addDeliveryPage(server: FastifyInstance, host: AdminHost): void {
  server.get<{ Params: { id: string } }>(
    '/deliveries/:id',
    { config: { role: 'viewer' } },
    async (request, reply) => {
      const shown = await findDelivery(host, request, request.params.id);
      const { model, key } = shown.summary;
      return sendPage(request, reply, {
        title: `${model} ${key}`,
        at: '/deliveries',
        body: detail(shown, request, host.clock.now()),
      });
    },
  );
}

function detail(shown: ShownDelivery, request: FastifyRequest, nowMs: number): Html {
  const { summary } = shown;
  const { event, log, schema, table, lsn, xid } = shown.detail;
  const mayOperate = request.identity !== null && isAllowed(request.identity.role, 'operator');
  const webhook = `/webhooks/${encodeURIComponent(summary.webhook)}`;
  return html`<p class="crumbs"><a href="/deliveries">Deliveries</a></p>
    <div class="head"><h1>${summary.model} <code>${summary.key}</code></h1> ${chip(summary.state)}
      <div class="acts">${mayOperate && acts(summary.id, summary.state, request.csrf)}</div></div>
    ${summary.state === 'failed' && summary.detail !== null && notice('bad', html`<b>${summary.error ?? 'failed'}</b> ${summary.detail}`)}
    ${definitions([
      ['Webhook', html`<a href="${webhook}">${summary.webhook_name}</a>`],
      ['Attempts', String(summary.attempts)],
      [
        'Row',
        html`<a href="/deliveries?model=${encodeURIComponent(summary.model)}&amp;key=${encodeURIComponent(summary.key)}">all of this row</a>`,
      ],
      ['Table', html`<code>${schema}.${table}</code>`],
      [
        'Request id',
        summary.request_id === null
          ? html`<span class="muted">unknown</span>`
          : html`<a href="/deliveries?request_id=${encodeURIComponent(summary.request_id)}"><code class="wrap">${summary.request_id}</code></a>`,
      ],
      ['Transaction', html`LSN <code>${lsn}</code>, xid <code>${xid}</code>`],
      ['webhook-id', html`<code class="wrap">${summary.id}</code>`],
    ])}
    <h2>Timeline</h2>
    ${timeline(shown, nowMs)}
    ${shown.isHidden && notice('warn', 'What the Event, the request and the responses hold is not shown to viewers.')}
    ${requestPart(shown)}
    ${log.some(({ response }) => response !== null) && html`<h2>Responses</h2>${log.map((attempt, i) => responsePart(attempt, i, i === log.length - 1))}`}
    ${
      event !== null &&
      html`<h2>Event</h2>${code(prettyJson(event), { label: 'Event' })}
      ${mayOperate && html`<p><a href="${webhook}/try?event=${encodeURIComponent(summary.id)}">Try conditions and templates on it</a></p>`}`
    }`;
}

function acts(id: string, state: string, csrf: string): Html {
  const fields = { ids: id };
  const mayResend = ENDED.has(state) || state === 'delayed';
  return html`${mayResend && actButton('/deliveries/resend', state === 'delayed' ? 'Try now' : 'Resend', csrf, { fields, tone: 'primary' })}
    ${!ENDED.has(state) && actButton('/deliveries/cancel', 'Cancel', csrf, { fields, confirm: 'Cancel this Delivery?' })}`;
}

function timeline({ summary, detail: { log } }: ShownDelivery, nowMs: number): Html {
  const committed = isoToMs(summary.committed_at) ?? 0;
  const next = isoToMs(summary.next_at);
  const ended = isoToMs(summary.ended_at);
  return html`<ol class="timeline">
    <li class="good"><b>Committed</b> ${time(committed, nowMs)}</li>
    ${log.map((attempt, i) => step(attempt, i, committed, nowMs))}
    ${next !== null && html`<li class="warn"><b>Next try</b> <time datetime="${summary.next_at}">${relative(next - nowMs)}</time></li>`}
    ${ended !== null && html`<li class="${summary.state === 'delivered' ? 'good' : 'bad'}"><b>${summary.state}</b> ${time(ended, nowMs)}</li>`}
    ${ended === null && next === null && html`<li><b>${summary.state}</b></li>`}
  </ol>`;
}

function step(attempt: LoggedAttempt, i: number, committedMs: number, nowMs: number): Html {
  const isGood = attempt.error === null;
  const after = attempt.startedMs - committedMs;
  return html`<li class="${isGood ? 'good' : 'bad'}"><b>Attempt ${i + 1}</b> ${time(attempt.startedMs, nowMs)}
    <span class="muted">${milliseconds(Math.max(0, after))} after the commit</span><br>
    ${attempt.status === null ? (attempt.error ?? '') : `HTTP ${attempt.status}`}
    in ${milliseconds(attempt.durationMs)}${attempt.responseMs !== null && html` <span class="muted">(head after ${milliseconds(attempt.responseMs)})</span>`}
    ${!isGood && attempt.detail !== null && attempt.detail !== `HTTP ${attempt.status}` && html`<br><span class="bad-text">${attempt.detail}</span>`}
  </li>`;
}

function requestPart({ detail: { request, event }, isHidden }: ShownDelivery): Html | null {
  if (request === null) return null;
  const headers = request.headers.map(([name, value]) => `${name}: ${value}`).join('\n');
  return html`<h2>Request, as last sent</h2>
    <p><b>${request.method}</b> <code class="wrap">${request.url}</code></p>
    ${code(headers, { label: 'Request headers' })}
    ${
      request.body !== null
        ? html`${code(prettyJson(request.body), { label: 'Request body' })}${request.bodyIs === 'cut' && html`<p class="muted">Cut off; ${request.bodyBytes} bytes were sent.</p>`}`
        : !isHidden && html`<p class="muted">${BODY_WORDS[request.bodyIs]} ${request.bodyBytes} bytes.</p>`
    }
    ${
      !isHidden &&
      html`<details><summary>As curl</summary>
        <p class="muted">Secrets are masked: fill them in where it says [secret].</p>
        ${code(curlOf(request, event), { label: 'curl command' })}</details>`
    }`;
}

const BODY_WORDS = {
  event: 'The body is the Event below,',
  whole: 'The body is empty,',
  cut: 'Of the body nothing is shown,',
  absent: 'The body is not kept (log.payloads),',
} as const;

function responsePart({ response, status }: LoggedAttempt, i: number, isOpen: boolean): Html | null {
  if (response === null) return null;
  const headers = response.headers.map(([name, value]) => `${name}: ${value}`).join('\n');
  const more = response.isTruncated ? ' (cut off)' : '';
  return html`<details${isOpen && html` open`}><summary>Attempt ${i + 1}: HTTP ${status}</summary>
    ${code(headers, { label: 'Response headers' })}
    ${
      response.body === null || response.body === ''
        ? html`<p class="muted">No body is kept.</p>`
        : html`${response.encoding === 'base64' && html`<p class="muted">Not UTF-8: in base64${more}.</p>`}
          ${code(response.body, { label: 'Response body' })}
          ${response.isTruncated && html`<p class="muted">More came than was read.</p>`}`
    }
  </details>`;
}
