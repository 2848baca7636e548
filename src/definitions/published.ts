/**
 * What the capturing process has published of the webhooks in force: read from the queue's store by whoever
 * delivers, shows or takes over. Text of version 1; what an older one lacks is empty.
 */
import { type Json, parseJson } from '../core/json.ts';
import type { PublishedFile } from './publishedFile.ts';
import type { WebhookRow } from './webhookRow.ts';

/** A webhook kept as a row: as it is, and why it is not in force if it is not. */
export interface PublishedRow extends WebhookRow {
  readonly key: string;
  readonly problems?: readonly string[];
}

/** What is published beside the webhooks themselves. */
export interface PublishedRows {
  /** The line of history that the rows belong to. */
  readonly generation: string;
  /** What `defaults` of the capturing process's file says of the keys that rows may have. */
  readonly defaults: Readonly<Record<string, unknown>>;
  readonly rows: readonly PublishedRow[];
  /** Of the capturing process's file, for those that only deliver. */
  readonly files: readonly PublishedFile[];
}

export interface Published {
  /** Name → key of the Webhooks that the store knows, or has known. */
  readonly keys: ReadonlyMap<string, string>;
  readonly generation: string | null;
  readonly defaults: Readonly<Record<string, unknown>>;
  readonly rows: readonly PublishedRow[];
  /** null: by a version that did not publish them. */
  readonly files: readonly PublishedFile[] | null;
}

export function readPublished(definitions: string | null): Published {
  if (definitions === null) return { keys: new Map(), generation: null, defaults: {}, rows: [], files: null };
  const { webhooks, retired, generation, defaults, rows, files } = parseJson(definitions) as unknown as {
    readonly webhooks: readonly { readonly name: string; readonly key: string }[];
    readonly retired?: readonly { readonly name: string; readonly key: string }[];
    readonly generation?: string;
    readonly defaults?: Readonly<Record<string, Json>>;
    readonly rows?: readonly PublishedRow[];
    readonly files?: readonly PublishedFile[];
  };
  return {
    keys: new Map([...(retired ?? []), ...webhooks].map(({ name, key }) => [name, key])),
    generation: generation ?? null,
    defaults: defaults ?? {},
    rows: rows ?? [],
    files: files ?? null,
  };
}
