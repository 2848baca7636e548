/**
 * A brake does not travel through the stream: a webhook kept as a row that is disabled or deleted there sends
 * nothing more from now on, however far behind capturing is. The capturing process looks at the table itself and
 * leaves a note, which every process that delivers follows.
 */
import type { Pool } from 'pg';
import type { Clock } from '../core/clock.ts';
import { causeCode, toWalhookError } from '../core/errors.ts';
import type { Logger } from '../core/logger.ts';
import type { WebhookRows } from '../definitions/webhookRows.ts';
import type { NoteStore } from '../queue/notes.ts';

export interface RowBrakesOptions {
  readonly pool: Pool;
  readonly store: NoteStore;
  readonly rows: Pick<WebhookRows, 'enabledIds'>;
  readonly clock: Clock;
  readonly log: Logger;
}

const KEY = 'braked-rows';
const POLL_MS = 1_000;
/** No such table or schema, no right to read it: setup --no-schema, or a role that may not look. */
const NOT_TO_BE_READ = new Set(['42P01', '3F000', '42501']);

/** Ids of the rows whose Deliveries wait, though the stream has not told of it yet. */
export async function readBrakedRows(store: NoteStore): Promise<ReadonlySet<string>> {
  const text = (await store.notes(KEY)).get(KEY);
  return new Set(text === undefined ? [] : (JSON.parse(text) as string[]));
}

/** Resolves when the signal is aborted. Never throws: the stream tells the same, later. */
export async function brakeRows(options: RowBrakesOptions, signal: AbortSignal): Promise<void> {
  const { pool, store, rows, clock, log } = options;
  let noted: string | null = null;
  let before: readonly string[] = [];
  while (!signal.aborted) {
    try {
      // Those of the last look too: what the stream has told since may not be in the store yet.
      const now = rows.enabledIds;
      const known = [...new Set([...before, ...now])];
      before = now;
      // Without rows there is nothing to brake, and nothing to look at.
      const braked = known.length === 0 ? [] : await brakedOf(pool, known);
      const text = JSON.stringify(braked);
      if (text !== noted) await store.putNote(KEY, text);
      noted = text;
    } catch (error) {
      if (NOT_TO_BE_READ.has(causeCode(error) ?? '')) return;
      log.debug({ code: toWalhookError(error).code }, 'rows of walhook.webhook not looked at');
    }
    await clock.sleep(POLL_MS, signal);
  }
}

/** Those of the rows, enabled as far as the stream has told, that are not so any more. */
async function brakedOf(pool: Pool, known: readonly string[]): Promise<string[]> {
  const { rows } = await pool.query<{ id: string }>(
    'select id::text as id from walhook.webhook where enabled and id = any ($1::bigint[])',
    [known],
  );
  const enabled = new Set(rows.map(({ id }) => id));
  return known.filter((id) => !enabled.has(id)).sort();
}
