/**
 * Events to try a webhook on: recent real ones of the queue, one written by hand, or a made-up one. Each real one
 * once, however many webhooks it fired; those of the webhook itself first.
 */
import { toWalhookError, type WalhookError } from '../core/errors.ts';
import { type JsonObject, stringifyJson } from '../core/json.ts';
import type { RowValues, StoredRow } from '../definitions/rowStore.ts';
import type { WebhookDefinition } from '../definitions/webhooks.ts';
import type { DeliverySummary } from '../queue/inspect.ts';
import { tryEvent } from '../trial/trial.ts';
import { eventOf, prettyJson } from './draft.ts';
import type { AdminHost } from './host.ts';
import type { Outcome } from './pages/outcome.ts';
import { withCredentials } from './rowActs.ts';
import { sampleEvent } from './testRequest.ts';
import { defineWritten, maskTrial } from './trials.ts';
import type { FormFields } from './webhookForm.ts';

/** Real Events to choose from, of how many Deliveries. */
const MAX_EVENTS = 12;
const MAX_LISTED = 60;

/** The Event that is tried. */
export interface ChosenEvent {
  /** Of the Delivery that it is from; '' for the made-up one. */
  readonly id: string;
  readonly text: string;
}

export interface TriedEvent {
  readonly delivery: DeliverySummary;
  /** null: it fails. */
  readonly matched: boolean | null;
}

export interface EventChoice {
  readonly deliveries: readonly DeliverySummary[];
  /** What the form says: another Event was picked, the one there was edited, or none is there yet. */
  choose(fields: FormFields, values: RowValues): Promise<ChosenEvent>;
  /** Which of them the webhook as typed would fire for. */
  tryAll(values: RowValues, row: StoredRow | null): Promise<readonly TriedEvent[]>;
}

/** @param webhook key of the webhook that is edited */
export async function recentEvents(host: AdminHost, webhook: string | null): Promise<EventChoice> {
  const deliveries = await recentDeliveries(host, webhook).catch(() => []);
  const textOf = async (id: string): Promise<string | null> =>
    (await host.store.deliveries.get(id).catch(() => null))?.event ?? null;
  return {
    deliveries,
    async choose(fields, values) {
      const picked = fields['event_id'];
      const isSame = picked === undefined || picked === fields['event_was'];
      const typed = fields['event_text'] ?? '';
      if (isSame && typed.trim() !== '') return { id: picked ?? '', text: typed };
      const id = picked ?? suited(deliveries, values)?.id ?? '';
      const text = id === '' ? null : await textOf(id);
      return text === null ? { id: '', text: madeUp(host, values) } : { id, text: prettyJson(text) };
    },
    async tryAll(values, row) {
      const { definition } = defined(host, values, row);
      if (definition === null) return [];
      const tried = await Promise.all(
        deliveries.map(async (delivery): Promise<TriedEvent | null> => {
          const text = await textOf(delivery.id);
          return text === null ? null : { delivery, matched: firesFor(definition, text) };
        }),
      );
      return tried.filter((one) => one !== null);
    },
  };
}

/** The newest one of a model that the webhook watches. */
function suited(deliveries: readonly DeliverySummary[], { models }: RowValues): DeliverySummary | undefined {
  const watched = Array.isArray(models) ? models : [];
  return deliveries.find(({ model }) => watched.includes(model)) ?? deliveries[0];
}

async function recentDeliveries(host: AdminHost, webhook: string | null): Promise<DeliverySummary[]> {
  const list = async (filter: { readonly webhook?: string }, limit: number) =>
    (await host.store.deliveries.list(filter, { limit, cursor: null })).items;
  const own = webhook === null ? [] : await list({ webhook }, MAX_EVENTS / 2);
  const byEvent = new Map<string, DeliverySummary>();
  for (const one of [...own, ...(await list({}, MAX_LISTED))]) {
    if (!byEvent.has(one.eventId)) byEvent.set(one.eventId, one);
  }
  return [...byEvent.values()].slice(0, MAX_EVENTS).sort((a, b) => b.committedAtMs - a.committedAtMs);
}

function madeUp(host: AdminHost, { models, events }: RowValues): string {
  const texts = (value: unknown) => (Array.isArray(value) ? value.map(String) : []);
  const kinds = texts(events) as WebhookDefinition['match']['events'][number][];
  return prettyJson(stringifyJson(sampleEvent({ models: texts(models), events: kinds }, host.clock.now())));
}

function firesFor(definition: WebhookDefinition, text: string): boolean | null {
  try {
    const { matched, error } = tryEvent(definition, eventOf(text), 'walhook');
    return error === null ? matched : null;
  } catch {
    return null;
  }
}

/** Whether it is enabled says nothing of what it would do. */
function defined(
  host: AdminHost,
  values: RowValues,
  row: StoredRow | null,
): { readonly definition: WebhookDefinition | null; readonly error: WalhookError | null } {
  try {
    const whole = row === null ? values : withCredentials(host, values, row);
    return { definition: defineWritten(host, { ...whole, enabled: true }), error: null };
  } catch (error) {
    return { definition: null, error: toWalhookError(error) };
  }
}

/** What the webhook as typed would do with an Event; nothing is sent, and credentials are masked. */
export function trialOf(
  host: AdminHost,
  values: RowValues,
  row: StoredRow | null,
  eventText: string,
): { readonly outcome: Outcome } {
  const { definition, error } = defined(host, values, row);
  if (definition === null) return { outcome: { result: null, mistakes: [], error } };
  try {
    const event: JsonObject = eventOf(eventText);
    const result = maskTrial(host, tryEvent(definition, event, `walhook/${host.version}`));
    return { outcome: { result, mistakes: [], error: null } };
  } catch (failed) {
    return { outcome: { result: null, mistakes: [], error: toWalhookError(failed) } };
  }
}
