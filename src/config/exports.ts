/**
 * Webhooks as Peering Manager's or NetBox's REST API exports them can stand in the file as they are: their
 * keys are translated to walhook's, a NetBox webhook is joined with the event rules that name it, and what
 * has no meaning here is named in a note.
 */
import type { Path } from './mistakes.ts';

type Raw = Readonly<Record<string, unknown>>;

/** One webhook, made of one entry of the list or, with its event rule, of two. */
export interface Translated {
  /** The webhook in walhook's keys; anything that is no object as it was. */
  readonly entry: unknown;
  /** The entry of the list that it stands at. */
  readonly at: number;
  /** The entries that it was made of. */
  readonly sources: readonly number[];
  /** Where in the list each key was written, if not under its own name in its own entry. */
  readonly writtenAs: ReadonlyMap<string, Path>;
}

export interface TranslatedList {
  readonly entries: readonly Translated[];
  /** Keys of exports that were left out. */
  readonly ignored: readonly Path[];
}

/** What only an export has. */
export const EXPORT_MARKERS: readonly string[] = [
  'payload_url',
  'content_types',
  'object_types',
  'type_create',
  'type_update',
  'type_delete',
  'event_types',
  'action_type',
  'action_object_id',
];

/** What an event rule has and a webhook has not. */
const RULE_MARKERS = ['action_type', 'action_object_type', 'action_object_id', 'action_object'];

/** What says when a webhook fires. A NetBox webhook leaves it to its event rules. */
const TRIGGER_KEYS = [
  'content_types',
  'object_types',
  'models',
  'type_create',
  'type_update',
  'type_delete',
  'event_types',
  'events',
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
  'action_data',
  ...RULE_MARKERS,
]);

const FLAGS: Readonly<Record<string, string>> = {
  type_create: 'created',
  type_update: 'updated',
  type_delete: 'deleted',
};

/** Every key that an export may have and a webhook has not. */
export const EXPORT_KEYS: readonly string[] = [...EXPORT_MARKERS, ...MEANINGLESS];

const EVENT_TYPES: Readonly<Record<string, string>> = {
  object_created: 'created',
  object_updated: 'updated',
  object_deleted: 'deleted',
};

/** Translates the list `webhooks`. What is no export comes back as it was. */
export function translateExports(list: readonly unknown[]): TranslatedList {
  const ignored: Path[] = [];
  const targets = rulesByTarget(list);
  const joined = new Set([...targets.values()].flat());
  const entries = list.flatMap((entry, at): Translated[] => {
    if (joined.has(at)) return [];
    const rules = targets.get(at);
    if (rules === undefined || !isObject(entry)) return [translateOne(entry, at, ignored)];
    return rules.map((rule, i) => joinRule(list, at, rule, rules.length, i === 0 ? ignored : []));
  });
  return { entries, ignored };
}

/** Whether an entry is a NetBox event rule, apart from the webhook it calls. */
export function isEventRule(entry: unknown): entry is Raw {
  return (
    isObject(entry) &&
    RULE_MARKERS.some((key) => Object.hasOwn(entry, key)) &&
    !Object.hasOwn(entry, 'payload_url')
  );
}

/** Whether an entry is a NetBox webhook that leaves it to event rules when it fires. */
export function isRuleless(entry: unknown): entry is Raw {
  return (
    isObject(entry) &&
    Object.hasOwn(entry, 'payload_url') &&
    !TRIGGER_KEYS.some((key) => Object.hasOwn(entry, key))
  );
}

/** Whether an entry is an export at all. */
export function isExport(entry: unknown): entry is Raw {
  return isObject(entry) && EXPORT_MARKERS.some((key) => Object.hasOwn(entry, key));
}

/** Place of a webhook in the list → places of the rules that call it. */
function rulesByTarget(list: readonly unknown[]): ReadonlyMap<number, readonly number[]> {
  const found = new Map<number, number[]>();
  list.forEach((rule, at) => {
    if (!isEventRule(rule) || !callsWebhook(rule)) return;
    const target = list.findIndex((entry) => isRuleless(entry) && isCalled(entry, rule));
    if (target >= 0) found.set(target, [...(found.get(target) ?? []), at]);
  });
  return found;
}

/** Whether a rule's action is a webhook: NetBox also knows scripts and notifications. */
export function callsWebhook(rule: Raw): boolean {
  const action = choice(rule['action_type']);
  return action === undefined || action === null || action === 'webhook';
}

function isCalled(webhook: Raw, rule: Raw): boolean {
  const object = rule['action_object'];
  const id = rule['action_object_id'] ?? (isObject(object) ? object['id'] : undefined);
  if (id !== undefined && id !== null && webhook['id'] !== undefined)
    return String(id) === String(webhook['id']);
  return isObject(object) && object['name'] !== undefined && object['name'] === webhook['name'];
}

/** The webhook called by the one rule keeps its name; of several each bears its rule's as well. */
function joinRule(
  list: readonly unknown[],
  at: number,
  rule: number,
  rules: number,
  ignored: Path[],
): Translated {
  const webhook = translateOne(list[at], at, ignored);
  const trigger = translateOne(list[rule], rule, ignored);
  const own = isObject(webhook.entry) ? webhook.entry : {};
  const { name, ...fires } = isObject(trigger.entry) ? trigger.entry : {};
  const placed = [
    ...Object.keys(own).map((key): [string, Path] => [key, [at, key]]),
    ...webhook.writtenAs,
    ...Object.keys(fires).map((key): [string, Path] => [key, [rule, key]]),
    ...trigger.writtenAs,
  ];
  const joinedName = rules === 1 ? own['name'] : `${String(own['name'])}: ${String(name)}`.slice(0, 150);
  return {
    entry: { ...own, ...fires, name: joinedName },
    at,
    sources: [at, rule],
    writtenAs: new Map([...placed, ['name', [at, 'name']]]),
  };
}

function translateOne(entry: unknown, at: number, ignored: Path[]): Translated {
  if (!isExport(entry)) return { entry, at, sources: [at], writtenAs: new Map() };
  const webhook: Record<string, unknown> = {};
  const writtenAs = new Map<string, Path>();
  const set = (key: string, written: string, value: unknown) => {
    webhook[key] = value;
    writtenAs.set(key, [at, written]);
  };
  const isSelfLink = Object.hasOwn(entry, 'payload_url') || isEventRule(entry);
  for (const [key, value] of Object.entries(entry)) {
    if (key === 'payload_url') set('url', key, value);
    else if (key === 'content_types' || key === 'object_types') set('models', key, lastParts(value));
    else if (key === 'event_types') set('events', key, eventNames(value));
    else if (Object.hasOwn(FLAGS, key)) set('events', 'type_create', flaggedEvents(entry));
    else if (key === 'url' && !isSelfLink) webhook['url'] = value;
    else if (MEANINGLESS.has(key)) ignored.push([at, key]);
    else if (!isUnset(key, value)) webhook[key] = settingOf(key, value);
  }
  return { entry: webhook, at, sources: [at], writtenAs };
}

/** An export writes out every field; these say that nothing was chosen. */
function isUnset(key: string, value: unknown): boolean {
  if (value === null) return true;
  if (key === 'secret' || key === 'ca_file_path') return value === '';
  if (key === 'ssl_verification') return value === true;
  return key === 'conditions' && isEmpty(value);
}

function isEmpty(value: unknown): boolean {
  if (Array.isArray(value)) return value.length === 0;
  return isObject(value) && Object.keys(value).length === 0;
}

/** NetBox counts a timeout in seconds. */
function settingOf(key: string, value: unknown): unknown {
  if (key === 'timeout' && typeof value === 'number') return `${value}s`;
  return key === 'http_method' ? choice(value) : value;
}

/** A choice is exported as its value or as value and label. */
export function choice(value: unknown): unknown {
  return isObject(value) && Object.hasOwn(value, 'value') ? value['value'] : value;
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

/** The path within the list, as written in the file, of a path in a translated webhook. */
export function writtenPath({ at, writtenAs }: Translated, path: Path): Path {
  const [first, ...rest] = path;
  const written = typeof first === 'string' ? writtenAs.get(first) : undefined;
  return written === undefined ? [at, ...path] : [...written, ...rest];
}
