/** Why recent Changes did not fire a webhook: each with the conditions that decided and the values they saw. */
import { type Miss, readMisses } from '../../capture/misses.ts';
import { type Json, stringifyJson } from '../../core/json.ts';
import type { AdminHost } from '../host.ts';
import { type Html, html } from '../html.ts';
import { maskOf } from '../masking.ts';
import { empty, notice, table, time } from './parts.ts';

const SHOWN = 20;

export async function missesPart(host: AdminHost, webhook: string, maySee: boolean): Promise<Html> {
  const head = html`<h2 id="misses">Changes that did not fire</h2>`;
  if (!maySee) return html`${head}<p class="muted">What conditions saw is not shown to viewers.</p>`;
  const misses = await readMisses(host.store, webhook).then(
    (all) => all.get(webhook) ?? [],
    () => null,
  );
  if (misses === null) return html`${head}${notice('warn', 'They cannot be read with the keys at hand.')}`;
  if (misses.length === 0) {
    return html`${head}${empty('None is kept.', 'The last hundred Changes of its models and events that did not fire are kept here, with the reason.')}`;
  }
  const mask = maskOf(host.live.current.loaded);
  const nowMs = host.clock.now();
  const newest = misses.toSorted((a, b) => (a.position < b.position ? 1 : -1)).slice(0, SHOWN);
  return html`${head}${table(
    ['Model and key', 'Event', 'Why', 'Committed'],
    newest.map(({ model, key, event, committedAtMs, ...why }) => [
      html`${model} <code>${key}</code>`,
      event,
      reason(why, mask),
      time(committedAtMs, nowMs),
    ]),
    'Changes that did not fire',
  )}${misses.length > SHOWN && html`<p class="hint">The newest ${SHOWN} of ${misses.length}; <code>walhook explain</code> finds those of one row.</p>`}`;
}

/** Which setting said no, and the conditions behind it. */
const SETTINGS: Readonly<Record<string, string>> = {
  conditions: 'conditions',
  columns: 'none of its columns changed',
  require: 'who did it is not known (require)',
  on_unavailable: 'a value was not at hand (on_unavailable: skip)',
  enabled: 'it is disabled',
};

function reason({ by, because }: Pick<Miss, 'by' | 'because'>, mask: (text: string) => string): Html {
  const leaves = because.filter((leaf) => typeof leaf === 'object' && leaf !== null && !Array.isArray(leaf));
  if (leaves.length === 0) return html`${SETTINGS[by] ?? by}`;
  return html`<ul class="tree">${leaves.map((leaf) => {
    const { attr, op, value, seen, negate, why } = leaf as Readonly<Record<string, Json | undefined>>;
    const shown = (one: Json | undefined) => (one === undefined ? '' : mask(stringifyJson(one)));
    return html`<li><span class="bad-text" role="img" aria-label="false">✗</span> <code>${String(attr)}</code> ${negate === true && 'not '}${String(op)} <code>${shown(value)}</code>
      <div class="seen">${seen !== undefined && html`found <code>${shown(seen)}</code> `}<span class="muted">${String(why ?? '')}</span></div></li>`;
  })}</ul>`;
}
