/** Failures by webhook and cause: what to mend first, and resending all of a cause at once. */
import type { FastifyInstance } from 'fastify';
import type { DeliverySummary, InspectStore } from '../../queue/inspect.ts';
import { isAllowed } from '../access.ts';
import { maySeePayloads } from '../deliveries.ts';
import { searchOf } from '../deliveryQuery.ts';
import type { AdminHost } from '../host.ts';
import { type Html, html } from '../html.ts';
import { maskOf } from '../masking.ts';
import { namesByKey } from '../webhooks.ts';
import { sendPage } from './layout.ts';
import { empty, number, table, time } from './parts.ts';

/** Looked through at most: the newest ones. */
const MAX_LOOKED_AT = 5_000;
const PAGE = 500;

export interface FailureGroup {
  readonly webhook: string;
  /** An HTTP status, or the word of an error: what the filter `status` takes. */
  readonly cause: string;
  readonly count: number;
  readonly firstMs: number;
  readonly lastMs: number;
  /** Of the newest one. */
  readonly sample: DeliverySummary;
}

export function groupFailures(deliveries: readonly DeliverySummary[]): FailureGroup[] {
  const groups = new Map<string, FailureGroup>();
  for (const one of deliveries) {
    const cause = one.status === null ? (one.error ?? 'unknown') : String(one.status);
    const id = `${one.webhook}\0${cause}`;
    const at = one.endedMs ?? one.committedAtMs;
    const group = groups.get(id);
    groups.set(id, {
      webhook: one.webhook,
      cause,
      count: (group?.count ?? 0) + 1,
      firstMs: Math.min(group?.firstMs ?? at, at),
      lastMs: Math.max(group?.lastMs ?? at, at),
      sample: group === undefined || at > group.lastMs ? one : group.sample,
    });
  }
  return [...groups.values()].sort((a, b) => b.lastMs - a.lastMs);
}

async function newestFailures(
  store: Pick<InspectStore, 'list'>,
): Promise<{ items: DeliverySummary[]; isCut: boolean }> {
  const items: DeliverySummary[] = [];
  let cursor: string | null = null;
  do {
    const page: Awaited<ReturnType<InspectStore['list']>> = await store.list(
      { state: 'failed' },
      { limit: PAGE, cursor },
    );
    items.push(...page.items);
    cursor = page.cursor;
  } while (cursor !== null && items.length < MAX_LOOKED_AT);
  return { items, isCut: cursor !== null };
}

export function addFailures(server: FastifyInstance, host: AdminHost): void {
  server.get('/failures', { config: { role: 'viewer' } }, async (request, reply) => {
    const { items, isCut } = await newestFailures(host.store.deliveries);
    const mayOperate = request.identity !== null && isAllowed(request.identity.role, 'operator');
    const groups = groupFailures(items);
    const said = maySeePayloads(host, request.identity)
      ? await responses(host, groups)
      : new Map<string, string>();
    return sendPage(request, reply, {
      title: 'Failures',
      at: '/failures',
      body: html`<h1>Failures</h1>
        <p class="muted">Deliveries that failed for good, by webhook and cause. They are kept and can be resent.</p>
        ${groups.length === 0 ? empty('Nothing has failed.', 'A Delivery ends up here when its retries are used up, or when retrying cannot help.') : rows(host, groups, said, mayOperate)}
        ${isCut && html`<p class="hint">Of the newest ${number(items.length)}; there are more.</p>`}`,
    });
  });
}

/** Groups whose newest response is shown, and how much of it. */
const SAID_OF = 20;
const SAID_CHARS = 160;

/** What the receiver said to the newest of each group, by the Delivery's id. */
async function responses(
  host: AdminHost,
  groups: readonly FailureGroup[],
): Promise<ReadonlyMap<string, string>> {
  const mask = maskOf(host.live.current.loaded);
  const said = await Promise.all(
    groups.slice(0, SAID_OF).map(async ({ sample: { id } }): Promise<[string, string]> => {
      const detail = await host.store.deliveries.get(id).catch(() => null);
      const response = detail?.log.at(-1)?.response ?? null;
      const text = response === null || response.encoding === 'base64' ? '' : (response.body ?? '');
      return [id, mask(text).replaceAll(/\s+/g, ' ').trim().slice(0, SAID_CHARS)];
    }),
  );
  return new Map(said);
}

function rows(
  host: AdminHost,
  groups: readonly FailureGroup[],
  said: ReadonlyMap<string, string>,
  mayOperate: boolean,
): Html {
  const names = namesByKey(host);
  const mask = maskOf(host.live.current.loaded);
  const nowMs = host.clock.now();
  return table(
    ['Webhook', 'Cause', { label: 'Count', isNumber: true }, 'First', 'Last', 'What it says', 'Act'],
    groups.map(({ webhook, cause, count, firstMs, lastMs, sample }) => {
      const name = names.get(webhook) ?? webhook;
      const search = searchOf({ webhook: name, state: 'failed', status: cause });
      return [
        html`<a href="/webhooks/${encodeURIComponent(webhook)}">${name}</a>`,
        html`<a href="/deliveries${search}"><code>${cause}</code></a>`,
        number(count),
        time(firstMs, nowMs),
        time(lastMs, nowMs),
        html`<a href="/deliveries/${encodeURIComponent(sample.id)}">${sample.detail === null ? 'see' : mask(sample.detail)}</a>${(said.get(sample.id) ?? '') !== '' && html`<div class="sub"><code>${said.get(sample.id)}</code></div>`}`,
        mayOperate
          ? html`<a class="button" href="/deliveries/all/resend${search}">Resend all…</a>`
          : html`<span class="muted">–</span>`,
      ];
    }),
    'Failures by webhook and cause',
  );
}
