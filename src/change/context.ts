/**
 * Who made a Change and in which request: what logical messages in the Transaction say, and what columns
 * of the changed row say. The first configured source that knows a value wins, value by value; an empty
 * string is unknown. Context is what the session said, not proof.
 */
import { parseJson } from '../core/json.ts';
import { type RowImages, UNCHANGED } from '../decode/messages.ts';
import type { ChangeKind } from './transaction.ts';

export interface Context {
  readonly username: string | null;
  readonly requestId: string | null;
}

/** What messages have said up to a point of the Transaction. */
export interface MessageContext extends Context {
  /** Messages that were not a JSON object of the known shape. They never stop an Event. */
  readonly malformed: number;
}

export const NO_MESSAGE_CONTEXT: MessageContext = { username: null, requestId: null, malformed: 0 };

/** Longest message that is read; a longer one is malformed. Names and ids are short. */
const MAX_MESSAGE_CHARS = 8_192;

/** Keys merge, a later one wins, an empty object clears. */
export function withMessage(context: MessageContext, content: string): MessageContext {
  const said = readMessage(content);
  if (said === null) return { ...context, malformed: context.malformed + 1 };
  if (Object.keys(said).length === 0) return { ...NO_MESSAGE_CONTEXT, malformed: context.malformed };
  return {
    username: 'username' in said ? known(said['username']) : context.username,
    requestId: 'request_id' in said ? known(said['request_id']) : context.requestId,
    malformed: context.malformed,
  };
}

function readMessage(content: string): Record<string, unknown> | null {
  if (content.length > MAX_MESSAGE_CHARS) return null;
  try {
    const value = parseJson(content);
    return typeof value === 'object' && value !== null && !Array.isArray(value) ? value : null;
  } catch {
    return null;
  }
}

function known(value: unknown): string | null {
  if (typeof value === 'string') return value === '' ? null : value;
  if (typeof value === 'number' || typeof value === 'bigint') return String(value);
  return null;
}

/** `changed`: believed only when this Change wrote the column. `always`: whatever the row says. */
export type Trust = 'changed' | 'always';

/** Columns of one table that carry context; -1 where the table has none of that name. */
export interface ContextColumns {
  readonly username: number;
  readonly requestId: number;
  readonly trust: Trust;
  /** walhook.track's trigger stamps them with every insert and update, NULL when nothing is set. */
  readonly isStamped: boolean;
}

export type ContextSource =
  | { readonly kind: 'message' }
  | { readonly kind: 'columns'; readonly columns: ContextColumns };

/** The Context of one Change of a table whose sources are given in their configured order. */
export function contextOf(
  sources: readonly ContextSource[],
  messages: MessageContext,
  kind: ChangeKind,
  images: RowImages | null,
): Context {
  let username: string | null = null;
  let requestId: string | null = null;
  for (const source of sources) {
    if (source.kind === 'message') {
      username ??= messages.username;
      requestId ??= messages.requestId;
    } else if (images !== null) {
      username ??= columnValue(source.columns, source.columns.username, kind, images);
      requestId ??= columnValue(source.columns, source.columns.requestId, kind, images);
    }
  }
  return { username, requestId };
}

function columnValue(
  columns: ContextColumns,
  column: number,
  kind: ChangeKind,
  images: RowImages,
): string | null {
  if (column < 0) return null;
  if (columns.trust === 'always') {
    const now = images.new?.text(column);
    if (now !== undefined && now !== UNCHANGED) return now === '' ? null : now;
    return textOrNull(images.old.kind === 'full' ? images.old.tuple.text(column) : null);
  }
  // An old row names its last editor, not who deleted it.
  if (kind === 'deleted' || images.new === null) return null;
  const now = textOrNull(images.new.text(column));
  if (columns.isStamped || kind === 'created') return now;
  // Without a before image nobody can tell who wrote the value.
  if (images.old.kind !== 'full' || images.new.text(column) === UNCHANGED) return null;
  return images.old.tuple.text(column) === images.new.text(column) ? null : now;
}

function textOrNull(value: string | null | typeof UNCHANGED): string | null {
  return value === UNCHANGED || value === '' ? null : value;
}
