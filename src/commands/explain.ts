/** `walhook explain`: why a recent Change of a row did or did not fire a Webhook. */
import { type Miss, readMisses } from '../capture/misses.ts';
import { systemClock } from '../core/clock.ts';
import { WalhookError } from '../core/errors.ts';
import { type Json, stringifyJson } from '../core/json.ts';
import { Scope } from '../core/lifecycle.ts';
import { rememberedKeys } from '../definitions/webhooks.ts';
import { openQueue } from '../queue/open.ts';
import type { FailedDelivery, QueueStore } from '../queue/store.ts';
import { servicesOf } from '../services.ts';
import { loadConfigFile } from './configFile.ts';
import { type CommandIo, type CommonOptions, type ExitStatus, line } from './io.ts';

export interface ExplainOptions extends CommonOptions {
  readonly webhook: string;
  readonly key: string;
  readonly model?: string;
}

/** Failed Deliveries that are looked through. */
const FAILED = 1_000;

/** Exits 1 where nothing is known of the row. */
export async function explainKey(options: ExplainOptions, io: CommandIo): Promise<ExitStatus> {
  const loaded = loadConfigFile(options, io);
  await using scope = new Scope();
  const store = await openQueue(servicesOf(loaded).queue, systemClock);
  scope.defer(() => store.close());
  const webhook = await webhookKey(store, options.webhook);
  const isOfRow = (one: { readonly key: string; readonly model: string }) =>
    one.key === options.key && (options.model === undefined || one.model === options.model);
  const misses = ((await readMisses(store, webhook)).get(webhook) ?? []).filter(isOfRow);
  const ordered = misses.toSorted((a, b) => (a.position < b.position ? -1 : 1));
  const failed = (await store.failed(webhook, FAILED)).filter(({ delivery }) => isOfRow(delivery));
  if (options.json === true) {
    io.out(
      line(stringifyJson({ webhook: options.webhook, not_fired: ordered, failed: failed.map(failure) })),
    );
  } else {
    for (const miss of ordered) io.out(line(missLine(miss)));
    for (const one of failed) io.out(line(failedLine(one)));
  }
  if (misses.length + failed.length > 0) return 0;
  if (options.json !== true) {
    io.out(
      line(
        `nothing is kept of the row ${options.key} for ${options.webhook}: kept are the last 100 Changes that did not fire, of its models and events, and failed Deliveries; walhook check names a webhook that does not start`,
      ),
    );
  }
  return 1;
}

/** By the name that the capturing process published. */
async function webhookKey(store: QueueStore, name: string): Promise<string> {
  const state = await store.state();
  if (state === null) throw new WalhookError('QUEUE_NOT_SET_UP', "the queue's store is empty");
  const keys = rememberedKeys(state.definitions);
  const key = keys.get(name);
  if (key !== undefined) return key;
  const names = [...keys.keys()].join(', ') || 'none';
  throw new WalhookError('WEBHOOK_UNKNOWN', `expected a webhook in force named ${name}, found ${names}`);
}

function missLine({ committedAtMs, event, model, key, by, because }: Miss): string {
  const why = because.map(leafText).join('; ');
  const at = new Date(committedAtMs).toISOString();
  return `${at} ${event} ${model} ${key}: did not fire, by ${by}${why === '' ? '' : `: ${why}`}`;
}

function leafText(leaf: Json): string {
  if (typeof leaf !== 'object' || leaf === null || Array.isArray(leaf)) return '';
  const { attr, op, value, seen, negate, why } = leaf;
  const asked = [attr, op, value === undefined ? null : stringifyJson(value)].filter((part) => part !== null);
  const saw = seen === undefined ? '' : `saw ${stringifyJson(seen)}, which `;
  return `${asked.join(' ')}${negate === true ? ', negated' : ''}: ${saw}${String(why)}`;
}

function failure({ delivery, reason, detail, failedAtMs }: FailedDelivery) {
  const { eventId, model, key } = delivery;
  return { event_id: eventId, model, key, reason, detail, failed_at: new Date(failedAtMs).toISOString() };
}

function failedLine({ delivery, reason, detail, failedAtMs }: FailedDelivery): string {
  const at = new Date(failedAtMs).toISOString();
  return `${at} ${delivery.model} ${delivery.key}: fired and failed, by ${reason}: ${detail}`;
}
