/** Choosing the Event that a webhook is tried on, and how it fares with all of them. */
import type { ChosenEvent, EventChoice, TriedEvent } from '../eventChoice.ts';
import { type Html, html } from '../html.ts';
import { relative } from './parts.ts';

export function eventChooser(
  { deliveries }: EventChoice,
  chosen: ChosenEvent,
  names: ReadonlyMap<string, string>,
  nowMs: number,
): Html {
  return html`<section class="chooser">
    <div class="field"><label for="e-event_id">Event to try it on</label>
      <div class="bar"><select id="e-event_id" name="event_id">
        ${deliveries.map(
          ({ id, model, key, webhook, committedAtMs }) =>
            html`<option value="${id}"${id === chosen.id && html` selected`}>${model} ${key}, ${relative(committedAtMs - nowMs)}, of ${names.get(webhook) ?? webhook}</option>`,
        )}
        <option value=""${chosen.id === '' && html` selected`}>a made-up one</option></select>
      <button name="act" value="try">Take and try</button></div></div>
    <input type="hidden" name="event_was" value="${chosen.id}">
    <details><summary>Its text, to be changed at will</summary>
      <label class="hidden" for="e-event_text">Event, as JSON</label>
      <textarea id="e-event_text" name="event_text" rows="14" spellcheck="false" autocapitalize="off">${'\n'}${chosen.text}</textarea></details>
  </section>`;
}

/** How many of the recent Events it would fire for, and which. */
export function eventsPart(tried: readonly TriedEvent[], nowMs: number): Html | null {
  if (tried.length === 0) return null;
  const fires = tried.filter(({ matched }) => matched === true).length;
  return html`<h2>Recent Events</h2>
    <p>It would fire for <b>${fires} of ${tried.length}</b>.</p>
    <ul class="tree">${tried.map(
      ({ delivery: { id, model, key, committedAtMs }, matched }) =>
        html`<li>${mark(matched)} <a href="/deliveries/${encodeURIComponent(id)}">${model} <code>${key}</code></a> <span class="muted">${relative(committedAtMs - nowMs)}</span></li>`,
    )}</ul>`;
}

function mark(matched: boolean | null): Html {
  if (matched === null) return html`<span class="warn-text" role="img" aria-label="fails">?</span>`;
  return matched
    ? html`<span class="good-text" role="img" aria-label="fires">✓</span>`
    : html`<span class="bad-text" role="img" aria-label="does not fire">✗</span>`;
}
