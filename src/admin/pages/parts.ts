/** Small pieces that pages share: states, times, numbers, empty states, forms. */
import { formatBytes, formatDuration } from '../../config/units.ts';
import { type Html, type HtmlValue, html } from '../html.ts';

/** What a state looks like; the word is always there beside the colour. */
const TONES: Readonly<Record<string, string>> = {
  active: 'good',
  delivered: 'good',
  capturing: 'good',
  reserved: 'good',
  matched: 'good',
  waiting: 'calm',
  delayed: 'warn',
  parked: 'warn',
  paused: 'warn',
  standby: 'calm',
  extended: 'warn',
  orphan: 'warn',
  unreserved: 'bad',
  lost: 'bad',
  missing: 'bad',
  invalid: 'bad',
  pending: 'calm',
  failed: 'bad',
  disconnected: 'bad',
  cancelled: 'dim',
  disabled: 'dim',
};

export function chip(state: string): Html {
  return html`<span class="chip ${TONES[state] ?? 'calm'}">${state}</span>`;
}

/** `3 min ago`, with the exact time beneath. */
export function time(ms: number | null, nowMs: number): Html {
  if (ms === null) return html`<span class="muted">–</span>`;
  const iso = new Date(ms).toISOString();
  return html`<time datetime="${iso}" title="${iso}">${relative(ms - nowMs)}</time>`;
}

export function isoToMs(iso: string | null): number | null {
  return iso === null ? null : Date.parse(iso);
}

export function relative(ms: number): string {
  const size = Math.abs(ms);
  if (size < 1_500) return 'now';
  const [amount, unit] =
    size < 90_000
      ? [size / 1_000, 's']
      : size < 5_400_000
        ? [size / 60_000, 'min']
        : size < 129_600_000
          ? [size / 3_600_000, 'h']
          : [size / 86_400_000, 'd'];
  const text = `${Math.round(amount)} ${unit}`;
  return ms < 0 ? `${text} ago` : `in ${text}`;
}

export function bytes(count: number | null): string {
  return count === null ? '–' : formatBytes(count);
}

export function seconds(value: number | null): string {
  if (value === null) return '–';
  return value < 0.001
    ? '0 s'
    : value < 10
      ? `${value.toFixed(value < 1 ? 3 : 1)} s`
      : formatDuration(Math.round(value) * 1_000);
}

export function milliseconds(value: number | null): string {
  if (value === null) return '–';
  return value < 1_000 ? `${Math.round(value * 10) / 10} ms` : `${(value / 1_000).toFixed(1)} s`;
}

export function number(value: number): string {
  return value.toLocaleString('en-US', { maximumFractionDigits: 1 });
}

/** A number that stands out when it is not zero. */
export function alarming(value: number): Html {
  return value > 0 ? html`<b class="alarm">${number(value)}</b>` : html`<span class="muted">0</span>`;
}

export function quietZero(value: number): Html {
  return value > 0 ? html`${number(value)}` : html`<span class="muted">0</span>`;
}

/** Says what is not there, and what to do about it. */
export function empty(what: string, hint: HtmlValue = null): Html {
  return html`<div class="empty"><p>${what}</p>${hint !== null && html`<p class="muted">${hint}</p>`}</div>`;
}

export function notice(tone: 'good' | 'bad' | 'warn', content: HtmlValue): Html {
  return html`<p class="notice ${tone}" role="${tone === 'bad' ? 'alert' : 'status'}">${content}</p>`;
}

export interface Cell {
  readonly label: string;
  readonly value: HtmlValue;
  readonly kind?: 'number' | 'text';
}

/** Rows of cells; on a narrow screen each row is a card with the labels beside the values. */
export function table(
  heads: readonly (string | { readonly label: string; readonly isNumber: true })[],
  rows: readonly (readonly HtmlValue[])[],
  caption: string,
): Html {
  const columns = heads.map((head) => (typeof head === 'string' ? { label: head, isNumber: false } : head));
  return html`<div class="scroll"><table class="stack">
    <caption class="hidden">${caption}</caption>
    <thead><tr>${columns.map(({ label, isNumber }) => html`<th scope="col"${isNumber && html` class="number"`}>${label}</th>`)}</tr></thead>
    <tbody>${rows.map(
      (row) =>
        html`<tr>${row.map(
          (value, i) =>
            html`<td data-label="${columns[i]?.label ?? ''}"${columns[i]?.isNumber === true && html` class="number"`}><div>${value}</div></td>`,
        )}</tr>`,
    )}</tbody>
  </table></div>`;
}

export function definitions(items: readonly (readonly [string, HtmlValue])[]): Html {
  return html`<dl>${items.map(([term, value]) => html`<div><dt>${term}</dt><dd>${value}</dd></div>`)}</dl>`;
}

/** A button that posts; what it needs stands in hidden fields. */
export function actButton(
  action: string,
  label: string,
  csrf: string,
  {
    fields = {},
    tone = '',
    isDisabled = false,
    confirm = null,
  }: {
    readonly fields?: Readonly<Record<string, string>>;
    readonly tone?: 'primary' | 'danger' | '';
    readonly isDisabled?: boolean;
    readonly confirm?: string | null;
  } = {},
): Html {
  return html`<form class="act" method="post" action="${action}">
    <input type="hidden" name="_csrf" value="${csrf}">
    ${Object.entries(fields).map(([name, value]) => html`<input type="hidden" name="${name}" value="${value}">`)}
    <button class="${tone}"${isDisabled && html` disabled`}${confirm !== null && html` data-confirm="${confirm}"`}>${label}</button>
  </form>`;
}

/** JSON over several lines where it is JSON; the text itself where it is not. */
export function code(text: string, { label }: { readonly label: string }): Html {
  return html`<div class="code"><button type="button" class="quiet copy" data-copy>Copy</button><pre tabindex="0" aria-label="${label}">${text}</pre></div>`;
}
