/** How far a list of Deliveries is shown, in both of its streams, as one opaque text. Pure. */
import { WalhookError } from '../core/errors.ts';

/** A stream that has nothing further. */
export const END = '';

export interface ListCursor {
  /** Goes on with the jobs below this place; null: from the newest. */
  readonly job: string | null;
  /** Of the job at this place, the Deliveries from this index on are shown. */
  readonly skip: { readonly place: string; readonly index: number } | null;
  /** Goes on with the entries below this place; null: from the newest. */
  readonly entry: string | null;
}

export const START: ListCursor = { job: null, skip: null, entry: null };

export function formatCursor({ job, skip, entry }: ListCursor): string {
  const parts = [job, skip?.place ?? null, skip?.index ?? null, entry];
  return Buffer.from(JSON.stringify(parts)).toString('base64url');
}

/** The inverse of {@link formatCursor}. Throws USAGE on anything else. */
export function parseCursor(text: string): ListCursor {
  try {
    const parts: unknown = JSON.parse(Buffer.from(text, 'base64url').toString());
    if (Array.isArray(parts) && parts.length === 4) {
      const [job, place, index, entry] = parts as unknown[];
      if (isPlace(job) && isPlace(place) && isPlace(entry)) {
        const skip = place !== null && Number.isInteger(index) ? { place, index: Number(index) } : null;
        return { job, skip, entry };
      }
    }
  } catch {
    // Refused below: what it is instead does not matter.
  }
  throw new WalhookError('USAGE', 'expected the cursor of an earlier page, found something else');
}

/** Places are ours, but a cursor comes from outside: hex digits, ids and what parts them. */
function isPlace(value: unknown): value is string | null {
  return value === null || (typeof value === 'string' && /^[0-9a-z:_-]{0,200}$/i.test(value));
}
