/** Gaps as the page and the API show them: those of capture and those of a Webhook's bound, newest first. */
import type { Gap as QueueGap } from '../queue/gaps.ts';
import { type GapReason, type Gap as HistoryGap, readGaps } from '../queue/historyGaps.ts';
import type { AdminHost } from './host.ts';
import { namesByKey } from './webhooks.ts';

export type GapView = {
  /** For `walhook replay --gap`. */
  readonly id: string;
  /** A stable word, e.g. slot_lost or overflow. */
  readonly reason: string;
  readonly detail: string;
  /** null: every webhook. */
  readonly webhook: string | null;
  readonly webhook_name: string | null;
  readonly first_lsn: string | null;
  readonly last_lsn: string | null;
  readonly first_at: string | null;
  readonly last_at: string | null;
  /** Deliveries by model; null where nobody could count them. */
  readonly models: Readonly<Record<string, number>> | null;
  readonly state: 'growing' | 'open' | 'settled';
  readonly found_at: string;
};

export async function listGaps(host: AdminHost): Promise<GapView[]> {
  const names = namesByKey(host);
  const [ofQueue, ofHistory] = await Promise.all([host.store.gaps(), readGaps(host.store)]);
  const views = [
    ...ofQueue.map((gap) => ofBound(gap, names)),
    ...ofHistory.map((gap) => ofCapture(gap, names)),
  ];
  return views.sort((a, b) => (a.found_at < b.found_at ? 1 : -1));
}

const KIND_WORDS: Readonly<Record<QueueGap['kind'], string>> = {
  overflow: 'the backlog was full',
  dropped: 'dropped for newer ones',
  slot: 'the slot was lost',
  queue: 'the queue lost what it held',
  orphan: 'the webhook was gone',
};

function ofBound(gap: QueueGap, names: ReadonlyMap<string, string>): GapView {
  return {
    id: String(gap.id),
    reason: gap.kind,
    detail: gap.detail ?? KIND_WORDS[gap.kind],
    webhook: gap.webhook,
    webhook_name: nameOf(gap.webhook, names),
    first_lsn: gap.firstLsn,
    last_lsn: gap.lastLsn,
    first_at: iso(gap.firstMs),
    last_at: iso(gap.lastMs),
    models: gap.models,
    state: gap.settledMs !== null ? 'settled' : gap.closedMs === null ? 'growing' : 'open',
    found_at: iso(gap.openedMs) ?? '',
  };
}

const REASON_WORDS: Readonly<Record<GapReason, string>> = {
  slot_lost: 'the slot was lost',
  slot_moved: 'the slot was made anew, or moved',
  server_behind: "the server's WAL ends before what had been read",
  other_history: 'the server has another history',
  queue_lost: 'the queue lost what it held',
  queue_behind: 'the queue came back at an older position',
  overflow: 'the backlog was full',
};

function ofCapture(gap: HistoryGap, names: ReadonlyMap<string, string>): GapView {
  return {
    id: gap.id,
    reason: gap.reason,
    detail: REASON_WORDS[gap.reason] ?? gap.reason,
    webhook: gap.webhook,
    webhook_name: nameOf(gap.webhook, names),
    first_lsn: gap.from.lsn,
    last_lsn: gap.to?.lsn ?? null,
    first_at: iso(gap.from.atMs),
    last_at: iso(gap.to?.atMs ?? null),
    models: gap.counts,
    state: gap.acceptedAtMs !== null ? 'settled' : gap.to === null ? 'growing' : 'open',
    found_at: iso(gap.detectedAtMs) ?? '',
  };
}

function nameOf(key: string | null, names: ReadonlyMap<string, string>): string | null {
  return key === null ? null : (names.get(key) ?? key);
}

function iso(ms: number | null): string | null {
  return ms === null ? null : new Date(ms).toISOString();
}
