/**
 * Turns the messages of one connection into Changes: numbers them within their Transaction and carries the
 * context that messages in the Transaction have set so far.
 *
 * Nothing is held back here: a Transaction of five million rows passes through one Change at a time.
 */
import { WalhookError } from '../core/errors.ts';
import type { Lsn } from '../core/lsn.ts';
import type { CommitMessage, Relation, RowMessage, WalMessage } from '../decode/messages.ts';
import { type MessageSource, type Messages, noMessages, withMessage } from './messageContext.ts';

export interface Transaction {
  readonly xid: number;
  /** Where the commit record starts; orders Transactions and stands in ids. */
  readonly commitLsn: Lsn;
  /** Commit time, microseconds since the Unix epoch. */
  readonly committedAtUs: bigint;
}

export type ChangeKind = 'created' | 'updated' | 'deleted' | 'truncated';

/** One row inserted, updated or deleted, or one table truncated. */
export interface Change {
  readonly kind: ChangeKind;
  readonly transaction: Transaction;
  /** From zero over the row Changes and truncated relations of the Transaction, before any filter. */
  readonly index: number;
  readonly relation: Relation;
  /** null for a truncated table, and for a row too large to be read. */
  readonly row: RowMessage | null;
  /** Bytes of the row's message where it was longer than `limits.message`, else 0. */
  readonly oversizedBytes: number;
  /** What messages have said up to here. */
  readonly messages: Messages;
}

const KIND_OF = { insert: 'created', update: 'updated', delete: 'deleted' } as const;

export class TransactionReader {
  readonly #sources: readonly MessageSource[];
  readonly #silence: Messages;
  #open: Transaction | null = null;
  #nextIndex = 0;
  #messages: Messages;

  /** @param sources of the logical messages that carry context */
  constructor(sources: readonly MessageSource[]) {
    this.#sources = sources;
    this.#silence = noMessages(sources);
    this.#messages = this.#silence;
  }

  /** The Transaction being read; null between two. */
  get open(): Transaction | null {
    return this.#open;
  }

  /** What messages of the open Transaction have said so far. */
  get messages(): Messages {
    return this.#messages;
  }

  /** How many Changes of the open Transaction have been read: the index of the next one. */
  get nextIndex(): number {
    return this.#nextIndex;
  }

  /**
   * Reads one message. Calls `emit` for each Change in it; returns the commit when the message ends the
   * Transaction.
   */
  accept(message: WalMessage, emit: (change: Change) => void): CommitMessage | null {
    switch (message.tag) {
      case 'insert':
      case 'update':
      case 'delete':
        emit(this.#change(KIND_OF[message.tag], message.relation, message, 0));
        return null;
      case 'oversized':
        emit(this.#change(KIND_OF[message.kind], message.relation, null, message.bytes));
        return null;
      case 'truncate':
        for (const relation of message.relations) emit(this.#change('truncated', relation, null, 0));
        return null;
      case 'unpublished':
        this.#nextIndex += 1;
        return null;
      case 'begin':
        this.#open = { xid: message.xid, commitLsn: message.commitLsn, committedAtUs: message.committedAtUs };
        this.#nextIndex = 0;
        this.#messages = this.#silence;
        return null;
      case 'commit':
        this.#open = null;
        return message;
      case 'message':
        if (message.transactional && this.#open !== null) {
          this.#messages = withMessage(this.#messages, this.#sources, message.prefix, message.content);
        }
        return null;
      case 'relation':
      case 'ignored':
        return null;
    }
  }

  #change(kind: ChangeKind, relation: Relation, row: RowMessage | null, oversizedBytes: number): Change {
    const transaction = this.#open;
    if (transaction === null) {
      throw new WalhookError('STREAM_INVALID', 'expected a row inside a Transaction, found one outside');
    }
    const index = this.#nextIndex;
    this.#nextIndex += 1;
    return { kind, transaction, index, relation, row, oversizedBytes, messages: this.#messages };
  }
}
