/** Gaps as the page and the API show them, newest first. */
import type { Gap, GapKind } from '../queue/gaps.ts';
import type { AdminHost } from './host.ts';
import { namesByKey } from './webhooks.ts';

export type GapView = {
  /** For `walhook replay --gap`. */
  readonly id: number;
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
  /** Those that may have changed meanwhile; empty where `models` tells it. */
  readonly tables: readonly string[];
  readonly state: 'growing' | 'open' | 'settled';
  readonly found_at: string;
};

export async function listGaps(host: AdminHost): Promise<GapView[]> {
  const names = namesByKey(host);
  return (await host.store.gaps()).map((gap) => viewOf(gap, names));
}

const KIND_WORDS: Readonly<Record<GapKind, string>> = {
  overflow: 'the backlog was full',
  dropped: 'dropped for newer ones',
  orphan: 'the webhook was gone',
  slot_lost: 'the slot was lost',
  slot_moved: 'the slot was made anew, or moved',
  publication_remade: 'the publication was dropped and made again',
  server_behind: "the server's WAL ends before what had been read",
  other_history: 'the server has another history',
  queue_lost: 'the queue lost what it held',
};

function viewOf(gap: Gap, names: ReadonlyMap<string, string>): GapView {
  return {
    id: gap.id,
    reason: gap.kind,
    detail: gap.detail ?? KIND_WORDS[gap.kind],
    webhook: gap.webhook,
    webhook_name: nameOf(gap.webhook, names),
    first_lsn: gap.firstLsn,
    last_lsn: gap.lastLsn,
    first_at: iso(gap.firstMs),
    last_at: iso(gap.lastMs),
    models: Object.keys(gap.models).length === 0 ? null : gap.models,
    tables: gap.tables,
    state: gap.settledMs !== null ? 'settled' : gap.closedMs === null ? 'growing' : 'open',
    found_at: iso(gap.openedMs) ?? '',
  };
}

function nameOf(key: string | null, names: ReadonlyMap<string, string>): string | null {
  return key === null ? null : (names.get(key) ?? key);
}

function iso(ms: number | null): string | null {
  return ms === null ? null : new Date(ms).toISOString();
}
