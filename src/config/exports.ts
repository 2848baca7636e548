/**
 * A webhook as Peering Manager's or NetBox's REST API exports it can stand in the file as it is: its keys
 * are translated to walhook's, and what has no meaning here is named in a note.
 */
import type { Path } from './mistakes.ts';

type Raw = Readonly<Record<string, unknown>>;

export interface Translated {
  readonly webhook: Raw;
  /** Which of the written keys each key now stands for, so that a mistake is shown at its line. */
  readonly writtenAs: ReadonlyMap<string, string>;
  /** Keys of the export that were left out. */
  readonly ignored: readonly string[];
}

/** What only an export has. */
const MARKERS = [
  'payload_url',
  'content_types',
  'object_types',
  'type_create',
  'type_update',
  'type_delete',
  'event_types',
];

/** Keys of an export that say nothing a webhook of walhook needs. */
const MEANINGLESS = new Set([
  'id',
  'url',
  'display',
  'display_url',
  'created',
  'updated',
  'last_updated',
  'description',
  'tags',
  'custom_fields',
  'owner',
  'comments',
]);

const FLAGS = { type_create: 'created', type_update: 'updated', type_delete: 'deleted' } as const;

const EVENT_TYPES: Readonly<Record<string, string>> = {
  object_created: 'created',
  object_updated: 'updated',
  object_deleted: 'deleted',
};

/** Translates one entry of `webhooks`; anything that is not an export comes back as it was. */
export function translateExport(entry: unknown): Translated {
  if (!isObject(entry) || !MARKERS.some((key) => Object.hasOwn(entry, key))) {
    return { webhook: isObject(entry) ? entry : {}, writtenAs: new Map(), ignored: [] };
  }
  const webhook: Record<string, unknown> = {};
  const writtenAs = new Map<string, string>();
  const ignored: string[] = [];
  const set = (key: string, written: string, value: unknown) => {
    webhook[key] = value;
    writtenAs.set(key, written);
  };
  for (const [key, value] of Object.entries(entry)) {
    if (key === 'payload_url') set('url', key, value);
    else if (key === 'content_types' || key === 'object_types') set('models', key, lastParts(value));
    else if (key === 'event_types') set('events', key, eventNames(value));
    else if (key in FLAGS) set('events', 'type_create', flaggedEvents(entry));
    else if (key === 'url' && !Object.hasOwn(entry, 'payload_url')) webhook['url'] = value;
    else if (MEANINGLESS.has(key)) ignored.push(key);
    else if (!isUnset(key, value)) webhook[key] = value;
  }
  return { webhook, writtenAs, ignored };
}

/** An export writes out every field; an empty one means that nothing was chosen. */
function isUnset(key: string, value: unknown): boolean {
  return (
    (key === 'secret' && value === '') ||
    (value === null && key !== 'conditions') ||
    isEmptyCondition(key, value)
  );
}

function isEmptyCondition(key: string, value: unknown): boolean {
  return key === 'conditions' && (value === null || (isObject(value) && Object.keys(value).length === 0));
}

/** `app.model` means the last part. */
function lastParts(value: unknown): unknown {
  if (!Array.isArray(value)) return value;
  return value.map((name) => (typeof name === 'string' ? (name.split('.').at(-1) ?? name) : name));
}

function eventNames(value: unknown): unknown {
  if (!Array.isArray(value)) return value;
  return value.map((name) => (typeof name === 'string' ? (EVENT_TYPES[name] ?? name) : name));
}

function flaggedEvents(entry: Raw): string[] {
  return Object.entries(FLAGS).flatMap(([flag, event]) => (entry[flag] === true ? [event] : []));
}

export function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** The path as written in the file of a path in a translated webhook. */
export function writtenPath(path: Path, writtenAs: ReadonlyMap<string, string>): Path {
  const [first, ...rest] = path;
  const written = typeof first === 'string' ? writtenAs.get(first) : undefined;
  return written === undefined ? path : [written, ...rest];
}
