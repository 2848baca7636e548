/** How far a list of Deliveries is shown, in each of its streams, as one opaque text. Pure. */
import { WalhookError } from '../core/errors.ts';

/** A stream that has nothing further. */
export const END = '';

/** In a stream of jobs, each of which holds several Deliveries. */
export interface JobsCursor {
  /** Goes on with the jobs below this place; null: from the newest. */
  readonly below: string | null;
  /** Of the job at this place, the Deliveries from this index on are shown. */
  readonly skip: { readonly place: string; readonly index: number } | null;
}

export interface ListCursor {
  /** What waits. */
  readonly waiting: JobsCursor;
  /** What was delivered at its first try, in its jobs. */
  readonly logged: JobsCursor;
  /** Goes on with the entries below this place; null: from the newest. */
  readonly entry: string | null;
}

const NEWEST: JobsCursor = { below: null, skip: null };
export const START: ListCursor = { waiting: NEWEST, logged: NEWEST, entry: null };

export function formatCursor({ waiting, logged, entry }: ListCursor): string {
  const parts = [...partsOf(waiting), ...partsOf(logged), entry];
  return Buffer.from(JSON.stringify(parts)).toString('base64url');
}

function partsOf({ below, skip }: JobsCursor) {
  return [below, skip?.place ?? null, skip?.index ?? null];
}

/** The inverse of {@link formatCursor}. Throws USAGE on anything else. */
export function parseCursor(text: string): ListCursor {
  try {
    const parts: unknown = JSON.parse(Buffer.from(text, 'base64url').toString());
    if (Array.isArray(parts) && parts.length === 7) {
      const waiting = jobsCursor(parts.slice(0, 3));
      const logged = jobsCursor(parts.slice(3, 6));
      const entry: unknown = parts[6];
      if (waiting !== null && logged !== null && isPlace(entry)) return { waiting, logged, entry };
    }
  } catch {
    // Refused below: what it is instead does not matter.
  }
  throw new WalhookError('USAGE', 'expected the cursor of an earlier page, found something else');
}

function jobsCursor([below, place, index]: readonly unknown[]): JobsCursor | null {
  if (!isPlace(below) || !isPlace(place)) return null;
  return { below, skip: place !== null && Number.isInteger(index) ? { place, index: Number(index) } : null };
}

/** Places are ours, but a cursor comes from outside: hex digits, ids and what parts them. */
function isPlace(value: unknown): value is string | null {
  return value === null || (typeof value === 'string' && /^[0-9a-z:_-]{0,200}$/i.test(value));
}
