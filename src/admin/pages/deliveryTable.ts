/** Deliveries as a table, with boxes to select them where there is something to do. */
import type { NamedDelivery } from '../deliveries.ts';
import { type Html, html } from '../html.ts';
import { chip, isoToMs, milliseconds, relative, table, time } from './parts.ts';

export interface DeliveryTableOptions {
  readonly nowMs: number;
  readonly hasWebhook: boolean;
  /** The id of the form that the boxes belong to; null: no boxes. */
  readonly select: string | null;
}

const num = (label: string) => ({ label, isNumber: true }) as const;

export function deliveryTable(deliveries: readonly NamedDelivery[], options: DeliveryTableOptions): Html {
  const { nowMs, hasWebhook, select } = options;
  const heads = [
    ...(select === null ? [] : ['Select']),
    'State',
    ...(hasWebhook ? ['Webhook'] : []),
    'Model and key',
    'Result',
    num('Attempts'),
    'Committed',
    'Next try',
  ];
  const rows = deliveries.map((one) => [
    ...(select === null ? [] : [box(one, select)]),
    chip(one.state),
    ...(hasWebhook ? [one.webhook_name] : []),
    html`<a href="/deliveries/${encodeURIComponent(one.id)}">${one.model} <code>${one.key}</code></a>`,
    result(one),
    html`${one.attempts}${one.resent && html` <span class="muted" title="resent by hand">↻</span>`}`,
    time(isoToMs(one.committed_at), nowMs),
    one.next_at === null
      ? html`<span class="muted">–</span>`
      : html`<time datetime="${one.next_at}" title="${one.next_at}">${relative(Date.parse(one.next_at) - nowMs)}</time>`,
  ]);
  return table(heads, rows, 'Deliveries');
}

function box({ id, model, key }: NamedDelivery, form: string): Html {
  return html`<input type="checkbox" name="ids" value="${id}" form="${form}" aria-label="Select ${model} ${key}">`;
}

/** What came of the last Attempt, in a word and its time. */
export function result({ status, error, duration_ms: duration }: NamedDelivery): Html {
  if (status === null && error === null) return html`<span class="muted">–</span>`;
  const isGood = status !== null && status >= 200 && status < 300;
  const word = status === null ? (error ?? '') : `HTTP ${status}`;
  const took = duration === null ? null : html` <span class="muted">${milliseconds(duration)}</span>`;
  return html`<span class="${isGood ? 'good-text' : 'bad-text'}">${word}</span>${took}`;
}
