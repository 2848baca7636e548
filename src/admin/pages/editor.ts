/**
 * The editor of webhooks kept as rows: a form that works without scripts, beside it what the webhook as typed
 * would do with real Events. A mistake sends the form back as it was, with what is wrong at its field.
 */
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { toWalhookError, type WalhookError } from '../../core/errors.ts';
import type { RowMistake } from '../../definitions/defineRow.ts';
import { RowRefused, type RowValues, type StoredRow } from '../../definitions/rowStore.ts';
import { recentEvents, trialOf } from '../eventChoice.ts';
import type { AdminHost } from '../host.ts';
import { type Html, html } from '../html.ts';
import { toProblem } from '../problems.ts';
import {
  changeWebhook,
  createWebhook,
  deleteWebhook,
  findRow,
  shownValues,
  withCredentials,
} from '../rowActs.ts';
import { type FormFields, fieldsOf, fieldsSent, valuesOf } from '../webhookForm.ts';
import { findWebhook, namesByKey } from '../webhooks.ts';
import { editorForm } from './editorForm.ts';
import { eventChooser, eventsPart } from './eventChooser.ts';
import { mistakeList } from './fields.ts';
import { sendPage } from './layout.ts';
import { shownOutcome } from './outcome.ts';
import { notice, number } from './parts.ts';

interface Edited {
  Params: { name: string };
  Querystring: Readonly<Record<string, unknown>>;
  Body: Readonly<Record<string, unknown>> | undefined;
}

/** What the page shows. */
interface Editing {
  /** It is to be added, not changed. */
  readonly isNew: boolean;
  /** As it stands in the table; null for a new one, and where it cannot be read. */
  readonly row: StoredRow | null;
  readonly fields: FormFields;
  readonly mistakes: readonly RowMistake[];
  /** Why it was not saved, where no field is to blame. */
  readonly error: WalhookError | null;
}

const admin = { role: 'admin' } as const;

export function addEditor(server: FastifyInstance, host: AdminHost): void {
  server.get<Edited>('/webhooks/new', { config: admin }, async (request, reply) => {
    const fields = await newFields(host, request.query['like']);
    return await show(host, request, reply, {
      isNew: true,
      row: null,
      fields,
      mistakes: [],
      error: null,
    });
  });
  server.post<Edited>('/webhooks/new', { config: admin }, (request, reply) =>
    submitted(host, request, reply, null),
  );
  server.get<Edited>('/webhooks/:name/edit', { config: admin }, async (request, reply) => {
    const row = await findRow(host, request.params.name);
    const fields = { ...fieldsOf(shownValues(host, row)), version: row.version };
    const mistakes = host.rows.edit.check(row.values);
    return await show(host, request, reply, { isNew: false, row, fields, mistakes, error: null });
  });
  server.post<Edited>('/webhooks/:name/edit', { config: admin }, async (request, reply) => {
    const found = await findRow(host, request.params.name).catch(toWalhookError);
    if (!('code' in found)) return await submitted(host, request, reply, found);
    // Deleted meanwhile, or out of reach: what was typed is kept. What is gone can be added anew.
    const { status, code } = toProblem(found);
    if (code === 'UNEXPECTED' || code === 'WEBHOOK_READ_ONLY') throw found;
    const isNew = code === 'WEBHOOK_UNKNOWN';
    const fields = fieldsSent(request.body ?? {});
    reply.code(status);
    return await show(host, request, reply, { isNew, row: null, fields, mistakes: [], error: found });
  });
  addSmallActs(server, host);
}

/** Switching on and off, and deleting after a question. */
function addSmallActs(server: FastifyInstance, host: AdminHost): void {
  for (const [act, enabled] of [
    ['enable', true],
    ['disable', false],
  ] as const) {
    server.post<Edited>(`/webhooks/:name/${act}`, { config: admin }, async (request, reply) => {
      const { name } = request.params;
      await changeWebhook(host, request, name, { enabled }, { mode: 'merge', version: null });
      return reply.redirect(`/webhooks/${encodeURIComponent(name)}?done=${act}`, 303);
    });
  }
  server.get<Edited>('/webhooks/:name/delete', { config: admin }, async (request, reply) => {
    const row = await findRow(host, request.params.name);
    const body = await deleting(host, request, row);
    return sendPage(request, reply, { title: 'Delete a webhook', at: '/webhooks', body });
  });
  server.post<Edited>('/webhooks/:name/delete', { config: admin }, async (request, reply) => {
    const version = request.body?.['version'];
    await deleteWebhook(host, request, request.params.name, typeof version === 'string' ? version : null);
    return reply.redirect('/webhooks?done=delete', 303);
  });
}

async function deleting(host: AdminHost, request: FastifyRequest<Edited>, row: StoredRow): Promise<Html> {
  const { name, key, counts } = await findWebhook(host, request.params.name);
  const path = `/webhooks/${encodeURIComponent(key)}`;
  const waiting = counts.waiting + counts.delayed + counts.active;
  return html`<h1>Delete “${name}”?</h1>
    <p>It sends nothing more from now on, and fires for no further Change.</p>
    ${waiting > 0 && notice('warn', html`${number(waiting)} of its Deliveries wait. They stay, as an orphan's, until a webhook of this name returns, someone cancels them, or retention ends.`)}
    <form class="bar" method="post" action="${path}/delete">
      <input type="hidden" name="_csrf" value="${request.csrf}"><input type="hidden" name="version" value="${row.version}">
      <button class="danger">Delete</button> <a href="${path}">Back</a>
    </form>`;
}

/** Empty, or like another webhook: of the file too, as far as a row may say the same. */
async function newFields(host: AdminHost, like: unknown): Promise<FormFields> {
  const empty = { enabled: 'on', events_created: 'on', events_updated: 'on', events_deleted: 'on' };
  if (typeof like !== 'string' || like === '') return empty;
  const { definition, name } = await findWebhook(host, like);
  return fieldsOf({ ...(definition as RowValues | null), name: `${name} (copy)` });
}

async function submitted(
  host: AdminHost,
  request: FastifyRequest<Edited>,
  reply: FastifyReply,
  row: StoredRow | null,
): Promise<FastifyReply> {
  const fields = fieldsSent(request.body ?? {});
  const { values, mistakes } = valuesOf(fields);
  if (fields['act'] !== 'save') {
    const all = [...mistakes, ...checked(host, values, row)];
    return await show(host, request, reply, { isNew: row === null, row, fields, mistakes: all, error: null });
  }
  try {
    if (mistakes.length > 0) throw new RowRefused([...mistakes, ...checked(host, values, row)]);
    const saved =
      row === null
        ? await createWebhook(host, request, values)
        : await changeWebhook(host, request, request.params.name, values, {
            mode: 'replace',
            version: fields['version'] ?? row.version,
          });
    const { key } = await findWebhook(host, String(saved.values['name']));
    return reply.redirect(`/webhooks/${encodeURIComponent(key)}?done=saved`, 303);
  } catch (error) {
    const known = toWalhookError(error);
    const { status, code } = toProblem(known);
    if (code === 'UNEXPECTED') throw error;
    reply.code(status);
    // Saved again, it takes the place of what somebody else has written: that is then said above the form.
    const version = code === 'WEBHOOK_CHANGED' ? { version: row?.version ?? '' } : {};
    return await show(host, request, reply, {
      isNew: row === null,
      row,
      fields: { ...fields, ...version },
      mistakes: known instanceof RowRefused ? known.mistakes : [],
      error: known instanceof RowRefused ? null : known,
    });
  }
}

/** What would be refused, were it saved. */
function checked(host: AdminHost, values: RowValues, row: StoredRow | null): RowMistake[] {
  try {
    return host.rows.edit.check(row === null ? values : withCredentials(host, values, row));
  } catch (error) {
    if (error instanceof RowRefused) return [...error.mistakes];
    throw error;
  }
}

async function show(
  host: AdminHost,
  request: FastifyRequest<Edited>,
  reply: FastifyReply,
  { isNew, row, fields, mistakes, error }: Editing,
): Promise<FastifyReply> {
  const state = { fields, mistakes };
  const { values } = valuesOf(fields);
  const view = isNew ? null : await findWebhook(host, request.params.name).catch(() => null);
  const path = isNew ? '/webhooks' : `/webhooks/${encodeURIComponent(request.params.name)}`;
  const events = await recentEvents(host, view?.key ?? null);
  const chosen = await events.choose(fields, values);
  const trial = mistakes.length > 0 ? null : trialOf(host, values, row, chosen.text);
  const known = await host.rows.modelNames(host.live.current.loaded.config);
  const title = isNew ? 'New webhook' : `Edit ${view?.name ?? ''}`;
  const body = html`<p class="crumbs"><a href="/webhooks">Webhooks</a>${view !== null && html` / <a href="${path}">${view.name}</a>`}</p>
    <h1>${title}</h1>
    ${error !== null && refused(host, error, row, values)}
    ${mistakeList(state)}
    <form method="post" action="${isNew ? '/webhooks/new' : `${path}/edit`}" data-editor novalidate>
      <input type="hidden" name="_csrf" value="${request.csrf}"><input type="hidden" name="version" value="${fields['version'] ?? ''}">
      <div class="columns">
        <div class="editor">${editorForm(host, state, known)}
          <div class="bar save"><button class="primary" name="act" value="save">Save</button>
            <button name="act" value="try">Try</button> <a href="${path}">Back</a></div>
        </div>
        <div class="beside">
          ${eventChooser(events, chosen, namesByKey(host), host.clock.now())}
          <section aria-live="polite" aria-label="What it would do" class="outcome" id="outcome">${
            trial === null || trial.outcome.error?.code === 'WEBHOOK_INVALID'
              ? html`<p class="muted">What it would do with this Event stands here as soon as the fields make a webhook.</p>`
              : shownOutcome(trial.outcome)
          }${trial !== null && eventsPart(await events.tryAll(values, row), host.clock.now())}</section>
        </div>
      </div>
    </form>`;
  return sendPage(request, reply, { title, at: '/webhooks', body });
}

/** Why it was not saved. The form below has what was typed. */
function refused(host: AdminHost, error: WalhookError, row: StoredRow | null, typed: RowValues): Html {
  if (error.code !== 'WEBHOOK_CHANGED' || row === null) {
    return notice('bad', html`<b>Not saved: ${error.code}</b> ${error.message}<br>Try: ${error.remedy}`);
  }
  const now = fieldsOf(shownValues(host, row));
  const mine = fieldsOf(typed);
  const names = [...new Set([...Object.keys(now), ...Object.keys(mine)])];
  const others = names.filter((name) => (now[name] ?? '') !== (mine[name] ?? '')).sort();
  return html`<div class="notice bad" role="alert"><b>Not saved: somebody else has changed this webhook meanwhile.</b>
    What you typed is kept below. It differs from what is stored now in:
    <ul>${others.map((name) => html`<li><code>${name}</code>, now ${(now[name] ?? '') === '' ? 'empty' : html`<code class="wrap">${now[name]}</code>`}</li>`)}</ul>
    Save again to put yours in its place, or <a href="">read it anew</a>.</div>`;
}
