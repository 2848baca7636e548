/** Deliveries: the filtered list, acts on one, on selected and on all that match, with the count first. */
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { WalhookError } from '../../core/errors.ts';
import { DELIVERY_STATES } from '../../queue/inspect.ts';
import { isAllowed } from '../access.ts';
import { actInPieces, actOnMany, countMany, keysByName } from '../acts.ts';
import { jsonOfMany } from '../deliveries.ts';
import { type DeliveryQuery, FILTER_KEYS, filterOf, queryOf, searchOf } from '../deliveryQuery.ts';
import type { AdminHost } from '../host.ts';
import { type Html, html } from '../html.ts';
import type { Operations } from '../operations.ts';
import { deliveryTable } from './deliveryTable.ts';
import { sendPage } from './layout.ts';
import { empty, notice, number } from './parts.ts';

const PAGE_SIZE = 50;

type Query = Readonly<Record<string, unknown>>;
interface Filtered {
  Querystring: Query;
  Body: Query | undefined;
}

/** More than this is done a piece at a time, with its progress shown. */
const AT_ONCE = 500;

export function addDeliveryPages(server: FastifyInstance, host: AdminHost, operations: Operations): void {
  server.get<Filtered>('/deliveries', { config: { role: 'viewer' } }, async (request, reply) => {
    const body = await list(host, request);
    return sendPage(request, reply, { title: 'Deliveries', at: '/deliveries', body });
  });
  for (const act of ['resend', 'cancel'] as const) {
    server.get<Filtered>(
      `/deliveries/all/${act}`,
      { config: { role: 'operator' } },
      async (request, reply) => {
        const body = await confirm(host, request, act);
        return sendPage(request, reply, { title: `${TITLES[act]} all`, at: '/deliveries', body });
      },
    );
    server.post<Filtered>(`/deliveries/${act}`, { config: { role: 'operator' } }, async (request, reply) =>
      actAndReturn(host, operations, request, reply, act),
    );
  }
}

const TITLES = { resend: 'Resend', cancel: 'Cancel' } as const;

/** Of the boxes that were ticked, or of everything that the filter of the confirmation page means. */
async function actAndReturn(
  host: AdminHost,
  operations: Operations,
  request: FastifyRequest<Filtered>,
  reply: FastifyReply,
  act: 'resend' | 'cancel',
): Promise<FastifyReply> {
  const body = request.body ?? {};
  const query = queryOf(body);
  const isAll = body['all'] === '1';
  if (!isAll && query.ids === undefined) {
    throw new WalhookError('REQUEST_INVALID', 'expected Deliveries to be selected, found none', {
      remedy: 'tick the boxes beside them, or choose all that match',
    });
  }
  // The boxes say which; the filter beside them is where to go back to.
  const meant: DeliveryQuery = isAll ? query : { ids: query.ids ?? [] };
  const total = isAll ? await countMany(host, query) : 0;
  if (total > AT_ONCE) {
    const { id } = actInPieces(host, operations, request, act, query, total);
    return reply.redirect(`/operations/${id}`, 303);
  }
  const { done, skipped } = await actOnMany(host, request, act, meant);
  const { ids: _ids, ...back } = query;
  return reply.redirect(
    `/deliveries${searchOf(back, { done: act, n: String(done), skipped: String(skipped) })}`,
    303,
  );
}

async function list(host: AdminHost, request: FastifyRequest<Filtered>): Promise<Html> {
  const query = queryOf(request.query);
  const mayOperate = request.identity !== null && isAllowed(request.identity.role, 'operator');
  const cursor = typeof request.query['cursor'] === 'string' ? request.query['cursor'] : null;
  const filter = filterOf(query, keysByName(host), host.clock.now());
  const page = await host.store.deliveries.list(filter, { limit: PAGE_SIZE, cursor });
  const items = jsonOfMany(host, page.items);
  const nowMs = host.clock.now();
  return html`<h1>Deliveries</h1>
    ${done(request.query)}
    ${filterForm(host, query)}
    ${
      items.length === 0
        ? page.cursor === null
          ? nothing(query)
          : empty('None among those looked through so far.', 'There are more to look through.')
        : html`${mayOperate && actBar(query, request.csrf)}
          ${deliveryTable(items, { nowMs, hasWebhook: query.webhook === undefined, select: mayOperate ? 'selected' : null })}`
    }
    ${page.cursor !== null && html`<p class="more"><a class="button" href="/deliveries${searchOf(query, { cursor: page.cursor })}">Older</a></p>`}`;
}

function nothing(query: DeliveryQuery): Html {
  return Object.keys(query).length === 0
    ? empty('No Deliveries yet.', 'One appears here as soon as a row changes that a webhook watches.')
    : empty('No Delivery matches.', html`<a href="/deliveries">Show all</a>`);
}

function filterForm(host: AdminHost, query: DeliveryQuery): Html {
  const names = [...keysByName(host).keys()];
  // A webhook that is defined no more can still be filtered for.
  const webhooks =
    query.webhook !== undefined && !names.includes(query.webhook) ? [...names, query.webhook] : names;
  const option = (value: string, selected: string | undefined, label = value) =>
    html`<option value="${value}"${value === (selected ?? '') && html` selected`}>${label}</option>`;
  const input = (name: (typeof FILTER_KEYS)[number], label: string, placeholder: string) =>
    html`<div><label for="f-${name}">${label}</label><input id="f-${name}" name="${name}" value="${query[name] ?? ''}" placeholder="${placeholder}" autocomplete="off"></div>`;
  const isFiltered = FILTER_KEYS.some((key) => query[key] !== undefined);
  return html`<form class="filters" method="get" action="/deliveries" role="search" aria-label="Filter Deliveries">
    <div><label for="f-webhook">Webhook</label><select id="f-webhook" name="webhook">${option('', query.webhook, 'any')}${webhooks.map((name) => option(name, query.webhook))}</select></div>
    <div><label for="f-state">State</label><select id="f-state" name="state">${option('', query.state, 'any')}${DELIVERY_STATES.map((state) => option(state, query.state))}</select></div>
    ${input('status', 'Result', '503 or timeout')}
    ${input('model', 'Model', '')}
    ${input('key', 'Key', '85')}
    ${input('request_id', 'Request id', '')}
    ${input('since', 'Since', '2h or a time')}
    ${input('until', 'Until', '')}
    <div class="buttons"><button class="primary">Filter</button>${isFiltered && html` <a href="/deliveries">Reset</a>`}</div>
  </form>`;
}

function actBar(query: DeliveryQuery, csrf: string): Html {
  return html`<form id="selected" class="bar" method="post" action="/deliveries/resend">
    <input type="hidden" name="_csrf" value="${csrf}">
    ${filterFields(query)}
    <label class="check"><input type="checkbox" data-select-all="ids"> all on this page</label>
    <button>Resend selected</button>
    <button formaction="/deliveries/cancel" data-confirm="Cancel the selected Deliveries?">Cancel selected</button>
    <span class="grow"></span>
    <a class="button" href="/deliveries/all/resend${searchOf(query)}">Resend all that match…</a>
    <a class="button" href="/deliveries/all/cancel${searchOf(query)}">Cancel all that match…</a>
  </form>`;
}

function filterFields(query: DeliveryQuery): Html {
  return html`${FILTER_KEYS.map((key) => query[key] !== undefined && html`<input type="hidden" name="${key}" value="${query[key]}">`)}`;
}

async function confirm(
  host: AdminHost,
  request: FastifyRequest<Filtered>,
  act: 'resend' | 'cancel',
): Promise<Html> {
  const query = queryOf(request.query);
  const count = await countMany(host, query);
  const wanted = FILTER_KEYS.filter((key) => query[key] !== undefined);
  const back = `/deliveries${searchOf(query)}`;
  const note =
    act === 'resend'
      ? 'Those that have ended are sent again with the same id, marked webhook-resend: 1; those that wait for a retry are tried at once; what is waiting or in flight is left alone.'
      : 'Those that have not ended will not be sent. A request in flight is not cut off.';
  return html`<h1>${TITLES[act]} all that match</h1>
    <p class="big">${number(count)} <span class="unit">${count === 1 ? 'Delivery matches' : 'Deliveries match'}</span></p>
    <p>${wanted.length === 0 ? 'No filter: this means every Delivery.' : wanted.map((key, i) => html`${i > 0 && ', '}${key} <code>${query[key]}</code>`)}</p>
    <p class="muted">${note}</p>
    <form class="bar" method="post" action="/deliveries/${act}">
      <input type="hidden" name="_csrf" value="${request.csrf}"><input type="hidden" name="all" value="1">
      ${filterFields(query)}
      <button class="${act === 'resend' ? 'primary' : 'danger'}"${count === 0 && html` disabled`}>${TITLES[act]} ${number(count)}</button>
      <a href="${back}">Back</a>
    </form>`;
}

function done(query: Query): Html | null {
  const count = (key: string) => Math.max(0, Math.floor(Number(query[key]) || 0));
  const skipped = count('skipped') > 0 ? ` ${number(count('skipped'))} could not be.` : '';
  if (query['done'] === 'resend')
    return notice('good', `${number(count('n'))} will be sent again.${skipped}`);
  if (query['done'] === 'cancel') return notice('good', `${number(count('n'))} cancelled.${skipped}`);
  return null;
}
