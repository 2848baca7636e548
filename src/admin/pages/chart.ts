/** Small charts, drawn on the server: a line over the last half hour with its newest and highest value. */
import { type Html, html } from '../html.ts';

export interface ChartPoint {
  readonly atMs: number;
  readonly value: number | null;
}

const WIDTH = 320;
const HEIGHT = 64;

export function chart(title: string, points: readonly ChartPoint[], format: (value: number) => string): Html {
  const known = points.filter((point): point is { atMs: number; value: number } => point.value !== null);
  const last = known.at(-1);
  const first = known[0];
  if (first === undefined || last === undefined || known.length < 2) {
    return figure(title, '–', html`<p class="muted waiting">collecting…</p>`, '');
  }
  const max = Math.max(...known.map(({ value }) => value));
  const path = linePath(known, first.atMs, last.atMs, max);
  const label = `${title}: now ${format(last.value)}, highest ${format(max)}`;
  const drawing = html`<svg viewBox="0 0 ${WIDTH} ${HEIGHT}" preserveAspectRatio="none" role="img" aria-label="${label}">
    <path class="area" d="${path} L${WIDTH} ${HEIGHT} L0 ${HEIGHT} Z"/>
    <path class="line" d="${path}" vector-effect="non-scaling-stroke"/>
  </svg>`;
  const minutes = Math.max(1, Math.round((last.atMs - first.atMs) / 60_000));
  return figure(title, format(last.value), drawing, `last ${minutes} min, highest ${format(max)}`);
}

function linePath(
  points: readonly { readonly atMs: number; readonly value: number }[],
  fromMs: number,
  toMs: number,
  max: number,
): string {
  const x = (ms: number) => ((ms - fromMs) / Math.max(1, toMs - fromMs)) * WIDTH;
  const y = (value: number) => HEIGHT - 2 - (max === 0 ? 0 : (value / max) * (HEIGHT - 6));
  return points
    .map(({ atMs, value }, i) => `${i === 0 ? 'M' : 'L'}${x(atMs).toFixed(1)} ${y(value).toFixed(1)}`)
    .join(' ');
}

function figure(title: string, now: string, drawing: Html, note: string): Html {
  return html`<figure class="chart"><figcaption><span>${title}</span> <b>${now}</b></figcaption>${drawing}<p class="note">${note}</p></figure>`;
}
