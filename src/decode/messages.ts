/**
 * The messages of logical decoding, as unions by `tag`, whatever plugin sent them.
 *
 * Column values stay text where the plugin sent text: most are never looked at, and turning text into
 * values and back is where digits get lost.
 */
import type { Lsn } from '../core/lsn.ts';

/** How much of the row before an update or delete the server sends. `REPLICA IDENTITY` of the table. */
export type ReplicaIdentity = 'default' | 'nothing' | 'full' | 'index';

export interface RelationColumn {
  readonly name: string;
  readonly typeOid: number;
  readonly typeModifier: number;
  /** Part of what the server sends as the row's identity. Under `full` every column is. */
  readonly isIdentity: boolean;
}

/** A table as it was at the position of the stream. */
export interface Relation {
  readonly oid: number;
  readonly schema: string;
  readonly name: string;
  readonly identity: ReplicaIdentity;
  readonly columns: readonly RelationColumn[];
}

/** A large value that an update left as it was and the server therefore did not send. */
export const UNCHANGED: unique symbol = Symbol('unchanged');

/** PostgreSQL's text of a value, SQL NULL, or not sent. */
export type ColumnText = string | null | typeof UNCHANGED;

/** The columns of one row image, decoded when asked for. */
export interface Tuple {
  readonly columnCount: number;
  /** The value at a column's position in its Relation. */
  text(column: number): ColumnText;
  /** Bytes of the value's text, without decoding it; 0 for NULL and for what was not sent. */
  byteLength(column: number): number;
}

/** What an update or delete tells of the row before: nothing, the identity's columns only, or all. */
export type OldImage =
  | { readonly kind: 'none' }
  | { readonly kind: 'key'; readonly tuple: Tuple }
  | { readonly kind: 'full'; readonly tuple: Tuple };

export interface RowImages {
  readonly old: OldImage;
  /** null for a delete. */
  readonly new: Tuple | null;
}

export interface BeginMessage {
  readonly tag: 'begin';
  /** Where the commit record starts. */
  readonly commitLsn: Lsn;
  /** Microseconds since the Unix epoch. */
  readonly committedAtUs: bigint;
  readonly xid: number;
}

export interface CommitMessage {
  readonly tag: 'commit';
  readonly commitLsn: Lsn;
  /** One past the commit record: what is acknowledged. */
  readonly endLsn: Lsn;
}

export interface RowMessage {
  readonly tag: 'insert' | 'update' | 'delete';
  readonly relation: Relation;
  /** Bytes of the message. */
  readonly bytes: number;
  /** Finds the row images. Callers that do not need them never pay for them. */
  images(): RowImages;
  /** The same row without the buffer it was read into, for who holds it back. */
  retained(): RowMessage;
}

export interface TruncateMessage {
  readonly tag: 'truncate';
  readonly relations: readonly Relation[];
}

/** `pg_logical_emit_message`. */
export interface LogicalMessage {
  readonly tag: 'message';
  readonly transactional: boolean;
  readonly prefix: string;
  readonly content: string;
}

export interface RelationMessage {
  readonly tag: 'relation';
  readonly relation: Relation;
}

/** A row message longer than `limits.message`, of which only the head was kept. */
export interface OversizedMessage {
  readonly tag: 'oversized';
  readonly kind: 'insert' | 'update' | 'delete';
  readonly relation: Relation;
  readonly bytes: number;
}

/** Read and of no consequence: origins, types, messages too large to be ours. */
export interface IgnoredMessage {
  readonly tag: 'ignored';
}

/**
 * A row Change, or one truncated table, of a table that is not published, from a plugin that knows of no
 * publication. It is nobody's Change, and counts as one in its Transaction.
 */
export interface UnpublishedMessage {
  readonly tag: 'unpublished';
}

export type WalMessage =
  | BeginMessage
  | CommitMessage
  | RowMessage
  | TruncateMessage
  | LogicalMessage
  | RelationMessage
  | OversizedMessage
  | UnpublishedMessage
  | IgnoredMessage;
