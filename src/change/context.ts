/**
 * Who made a Change and in which request. The first configured source that knows a value wins, value by
 * value; an empty string is unknown. Context is what the session said, not proof.
 */
import { type RowImages, UNCHANGED } from '../decode/messages.ts';
import type { MessageContext, Messages } from './messageContext.ts';
import type { ChangeKind } from './transaction.ts';

export interface Context {
  readonly username: string | null;
  readonly requestId: string | null;
}

export const NOBODY: Context = { username: null, requestId: null };

/**
 * `partial`: a Transaction was longer than `limits.lookahead`; `muted`: it fires nothing by walhook.mute();
 * `malformed`: a message of context was no JSON object.
 */
export const CONTEXT_OUTCOMES = ['partial', 'muted', 'malformed'] as const;
export type ContextOutcome = (typeof CONTEXT_OUTCOMES)[number];

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

/** `source` counts the configured sources of that kind. */
export type ContextSource =
  | { readonly kind: 'message'; readonly source: number }
  | { readonly kind: 'audit'; readonly source: number }
  | { readonly kind: 'columns'; readonly columns: ContextColumns };

/** What is known of one Change. */
export interface ContextFacts {
  /** Up to the Change. */
  readonly messages: Messages;
  /** Up to the commit, where the Transaction was read to its end first; else null. */
  readonly lastMessages: Messages | null;
  readonly kind: ChangeKind;
  readonly images: RowImages | null;
  /** What the n-th audit source says; null where the Transaction was not read to its end. */
  audit(source: number): MessageContext | null;
}

/** The Context of one Change of a table whose sources are given in their configured order. */
export function contextOf(sources: readonly ContextSource[], facts: ContextFacts): Context {
  let username: string | null = null;
  let requestId: string | null = null;
  for (const source of sources) {
    if (username !== null && requestId !== null) break;
    const said = saidBy(source, facts);
    username ??= said.username;
    requestId ??= said.requestId;
  }
  return username === null && requestId === null
    ? NOBODY
    : { username: clipped(username), requestId: clipped(requestId) };
}

/** Names and ids are short; what is longer is cut, for it stands in every Event and log. */
const MAX_CHARS = 1_024;

function clipped(text: string | null): string | null {
  return text === null || text.length <= MAX_CHARS
    ? text
    : text.slice(0, MAX_CHARS).replace(/[\uD800-\uDBFF]$/, '');
}

function saidBy(source: ContextSource, facts: ContextFacts): Context {
  switch (source.kind) {
    case 'message': {
      const before = facts.messages.contexts[source.source];
      const last = facts.lastMessages?.contexts[source.source];
      return {
        username: before?.username ?? last?.username ?? null,
        requestId: before?.requestId ?? last?.requestId ?? null,
      };
    }
    case 'audit':
      return facts.audit(source.source) ?? NOBODY;
    case 'columns': {
      const { images, kind } = facts;
      if (images === null) return NOBODY;
      const { columns } = source;
      return {
        username: columnValue(columns, columns.username, kind, images),
        requestId: columnValue(columns, columns.requestId, kind, images),
      };
    }
  }
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
