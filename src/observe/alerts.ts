/**
 * Alerts: what a person should know at once, sent to the URLs of `alerts`, signed like any webhook.
 *
 * Every daemon may notice a thing; a note in the queue's store decides who sends it, and that what goes on being
 * so is sent again after an hour only. An alert is not a Delivery: it is tried a few times, logged, and gone.
 */
import type { Config } from '../config/schema.ts';
import type { Clock } from '../core/clock.ts';
import { toWalhookError } from '../core/errors.ts';
import { hash8 } from '../core/hash.ts';
import type { Logger } from '../core/logger.ts';
import { writtenLoopbackOf } from '../deliver/addresses/policy.ts';
import type { GuardOptions } from '../deliver/connector.ts';
import { send } from '../deliver/http.ts';
import { signatureHeaders } from '../deliver/sign.ts';
import { DEFAULT_TLS } from '../deliver/tlsFiles.ts';
import { Transport } from '../deliver/transport.ts';
import { describeGap, type Gap, type GapStore, openGaps } from '../queue/gaps.ts';
import type { NoteStore } from '../queue/notes.ts';
import type { QueueCounts } from '../queue/store.ts';

export type AlertKind = Config['alerts'][number]['on'][number];

export interface AlertOptions {
  readonly alerts: Config['alerts'];
  readonly environment: string;
  readonly store: NoteStore &
    Pick<GapStore, 'gaps'> & { counts(): Promise<ReadonlyMap<string, QueueCounts>> };
  readonly guard: Omit<GuardOptions, 'writtenLoopback'>;
  readonly userAgent: string;
  readonly clock: Clock;
  readonly log: Logger;
}

const WATCH_MS = 15_000;
const REPEAT_MS = 3_600_000;
const TIMEOUT_MS = 10_000;
/** Before the second try, the third …; then it is given up. */
const RETRY_MS = [1_000, 5_000, 30_000];
/** Alerts under way at once; more are only logged. */
const MAX_UNDER_WAY = 50;

export class Alerts {
  readonly #options: AlertOptions;
  readonly #underWay = new Set<Promise<void>>();
  readonly #failed = new Map<string, number>();
  readonly #stop = new AbortController();

  constructor(options: AlertOptions) {
    this.#options = options;
  }

  /**
   * Something is the case.
   *
   * @param key tells apart what is of one kind, e.g. the Webhook or the Gap
   */
  async raise(kind: AlertKind, key: string, message: string): Promise<void> {
    const { alerts, log } = this.#options;
    const wanted = alerts.filter((alert) => alert.on.includes(kind));
    if (wanted.length === 0 || this.#underWay.size >= MAX_UNDER_WAY) return;
    try {
      if (!(await this.#isOurs(kind, key))) return;
    } catch (error) {
      // Without the store nobody can say who sends it: rather twice than never.
      log.debug({ err: error }, 'the store was not asked who sends an alert');
    }
    for (const alert of wanted) {
      const sending = this.#send(alert, kind, key, message).finally(() => this.#underWay.delete(sending));
      this.#underWay.add(sending);
    }
  }

  /** It is the case no more: the next time is told at once. */
  async clear(kind: AlertKind, key: string): Promise<void> {
    if (!this.#options.alerts.some((alert) => alert.on.includes(kind))) return;
    await this.#options.store.putNote(noteKey(kind, key), null).catch(() => undefined);
  }

  /** Watches what stands in the store: Gaps, and Webhooks whose Deliveries fail. Until the signal is aborted. */
  async watch(signal: AbortSignal): Promise<void> {
    const { clock, log } = this.#options;
    while (!signal.aborted) {
      try {
        await this.#look();
      } catch (error) {
        log.debug({ err: error }, `alerts wait: ${toWalhookError(error).message}`);
      }
      await clock.sleep(WATCH_MS, signal);
    }
    this.#stop.abort();
    await Promise.all(this.#underWay);
  }

  async #look(): Promise<void> {
    const { store } = this.#options;
    // Read before the Gaps: what another daemon notes meanwhile is of a Gap that is not looked at here.
    const noted = await this.#notedOfGaps();
    const open = await openGaps(store);
    for (const gap of open) await this.raise(alertOf(gap), String(gap.id), describeGap(gap));
    // A settled Gap never opens again.
    const kept = new Set(open.map((gap) => noteKey(alertOf(gap), String(gap.id))));
    for (const note of noted) if (!kept.has(note)) await store.putNote(note, null);
    for (const [webhook, { failedTotal }] of await store.counts()) {
      const before = this.#failed.get(webhook);
      this.#failed.set(webhook, failedTotal);
      if (before === undefined || failedTotal <= before) continue;
      const message = `${failedTotal - before} Deliveries of ${webhook} have failed for good since the last look`;
      await this.raise('webhook_failing', webhook, message);
    }
  }

  async #notedOfGaps(): Promise<string[]> {
    const { store } = this.#options;
    const notes = [await store.notes(noteKey('gap', '')), await store.notes(noteKey('overflow', ''))];
    return notes.flatMap((of) => [...of.keys()]);
  }

  /** Takes the right to send it, where nobody has sent it within the last hour. */
  async #isOurs(kind: AlertKind, key: string): Promise<boolean> {
    const { store, clock } = this.#options;
    const note = noteKey(kind, key);
    const before = (await store.notes(note)).get(note) ?? null;
    const nowMs = clock.now();
    if (before !== null && nowMs - Number(before) < REPEAT_MS) return false;
    return await store.putNote(note, String(nowMs), before);
  }

  async #send(alert: Config['alerts'][number], kind: AlertKind, key: string, message: string): Promise<void> {
    const { guard, environment, userAgent, clock, log } = this.#options;
    const url = new URL(alert.url.reveal());
    const body = Buffer.from(
      JSON.stringify({ alert: kind, key, environment, message, at: new Date(clock.now()).toISOString() }),
    );
    const id = `alert-${kind}-${hash8(`${key} ${clock.now()}`)}`;
    const timestamp = Math.floor(clock.now() / 1_000);
    const request = {
      method: 'POST' as const,
      origin: url.origin,
      path: `${url.pathname}${url.search}`,
      headers: [
        ['Content-Type', 'application/json'],
        ['User-Agent', userAgent],
        ['webhook-id', id],
        ['webhook-timestamp', String(timestamp)],
        ...signatureHeaders('both', alert.secret === null ? [] : [alert.secret], id, timestamp, body),
      ] as const,
      body,
    };
    const transport = new Transport({
      ...guard,
      writtenLoopback: writtenLoopbackOf(url.origin),
      connections: 1,
      timeoutMs: TIMEOUT_MS,
      tls: DEFAULT_TLS,
      proxy: null,
      clock,
    });
    try {
      for (const waitMs of [0, ...RETRY_MS]) {
        await clock.sleep(waitMs, this.#stop.signal);
        const result = await send(transport, request, TIMEOUT_MS, this.#stop.signal);
        if (result.kind === 'response' && result.status >= 200 && result.status < 300) return;
        if (this.#stop.signal.aborted) break;
      }
      log.warn({ alert: kind, key, host: url.host }, 'an alert could not be sent');
    } finally {
      await transport.close();
    }
  }
}

function alertOf({ kind }: Gap): 'gap' | 'overflow' {
  return kind === 'overflow' || kind === 'dropped' ? 'overflow' : 'gap';
}

function noteKey(kind: AlertKind, key: string): string {
  return `alert:${kind}:${key}`;
}
