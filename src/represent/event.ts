/**
 * Builds the Event: the JSON that a Webhook's templates and conditions see and that is sent when it has no
 * body template. Exactly these keys in this order: event, timestamp, model, username, request_id, data,
 * snapshots, and `unavailable` where something is missing.
 *
 * The Event leaves here as its final text and is not parsed again on its way to the receiver.
 */
import type { Context } from '../change/context.ts';
import type { Image, Missing } from '../change/images.ts';
import type { Table } from '../change/table.ts';
import type { Change } from '../change/transaction.ts';
import { hash8 } from '../core/hash.ts';
import { jsonString } from '../core/json.ts';
import { lsnToHex } from '../core/lsn.ts';
import type { Part } from './render.ts';
import type { Shape } from './shape.ts';

export interface BuiltEvent {
  /** `<generation>-<commit LSN>-<index>-<object>`. */
  readonly id: string;
  readonly json: string;
}

/** What an Event is made of. */
export interface EventSource {
  readonly change: Change;
  readonly table: Table;
  readonly context: Context;
  /** The row's key; '' for a truncated table. */
  readonly key: string;
  readonly before: Image | null;
  readonly after: Image | null;
  /** What the Model makes of the row; null where `data` is the row itself. */
  readonly data: { readonly shape: Shape; readonly parts: readonly Part[] } | null;
}

/** Microseconds since the Unix epoch → `2023-08-07T19:30:23.140019Z`. */
export function formatTimestamp(us: bigint): string {
  const ms = us / 1000n - (us % 1000n < 0n ? 1n : 0n);
  const micros = us - ms * 1000n;
  return `${new Date(Number(ms)).toISOString().slice(0, -1)}${String(micros).padStart(3, '0')}Z`;
}

/**
 * The id of an Event. Ids of one Generation sort in commit order.
 *
 * @param object what tells apart the Events that one Change makes: model name and row key
 */
export function eventId(generation: string, change: Change, object: string): string {
  const index = change.index.toString(16).padStart(8, '0');
  return `${generation}-${lsnToHex(change.transaction.commitLsn)}-${index}-${hash8(object)}`;
}

/**
 * Builds the Event of one Change.
 *
 * @param maxBytes `limits.event`: a larger Event loses its largest values
 */
export function buildEvent(source: EventSource, generation: string, maxBytes: number): BuiltEvent {
  const { change, table, key } = source;
  const envelope = envelopeOf(change, table.model, source.context);
  const sections = withinLimit(sectionsOf(source), maxBytes - Buffer.byteLength(envelope) - KEYS_BYTES);
  return {
    id: eventId(generation, change, `${table.model}\0${key}`),
    json: envelope + sectionsJson(sections),
  };
}

/** Braces and the keys of the sections. */
const KEYS_BYTES = 60;
/** `unavailable` with its keys and what it says of keys. */
const UNAVAILABLE_BYTES = 100;

/** Why a row could not be had at all. */
export type UnreadableReason = 'too_large' | 'undecodable' | 'lookup';

/** The Event of a Change whose row could not be had: it says so where the row would be. */
export function buildUnreadableEvent(
  change: Change,
  model: string,
  context: Context,
  generation: string,
  reason: UnreadableReason,
): BuiltEvent {
  const before = change.kind === 'created' ? 'null' : '{}';
  const after = change.kind === 'deleted' ? 'null' : '{}';
  const missing = (name: string) => `"${name}":{"*":"${reason}"}`;
  const unavailable = [
    missing('data'),
    ...(before === 'null' ? [] : [missing('prechange')]),
    ...(after === 'null' ? [] : [missing('postchange')]),
  ];
  return {
    id: eventId(generation, change, `${model}\0`),
    json:
      `${envelopeOf(change, model, context)},"data":{},"snapshots":{"prechange":${before},"postchange":${after}}` +
      `,"unavailable":{${unavailable.join(',')}}}`,
  };
}

function envelopeOf(change: Change, model: string, context: Context): string {
  return (
    `{"event":"${change.kind}","timestamp":"${formatTimestamp(change.transaction.committedAtUs)}"` +
    `,"model":${jsonString(model)},"username":${orNull(context.username)}` +
    `,"request_id":${orNull(context.requestId)}`
  );
}

function orNull(text: string | null): string {
  return text === null ? 'null' : jsonString(text);
}

/** One object of the Event: its members' JSON, and what is missing of it. */
interface Section {
  readonly prefixes: readonly string[];
  readonly fragments: readonly (string | null)[];
  readonly missing: readonly (Missing | null)[] | null;
  /** What else there was is missing too. */
  readonly isKeyOnly: boolean;
}

interface Sections {
  readonly data: Section | null;
  readonly before: Section | null;
  readonly after: Section | null;
}

function sectionsOf({ table, before, after, data }: EventSource): Sections {
  const prefixes = table.columns.map((column) => column.jsonPrefix);
  const section = (image: Image | null): Section | null => {
    if (image === null) return null;
    const { fragments, missing, isKeyOnly } = image;
    return { prefixes, fragments, missing, isKeyOnly };
  };
  const sections = { before: section(before), after: section(after) };
  if (data === null) return { ...sections, data: sections.after ?? sections.before };
  return {
    ...sections,
    data: {
      prefixes: data.shape.members.map((member) => member.prefix),
      fragments: data.parts.map((part) => part.json),
      missing: data.parts.some((part) => part.missing !== null)
        ? data.parts.map((part) => part.missing)
        : null,
      isKeyOnly: (after ?? before)?.isKeyOnly ?? false,
    },
  };
}

function sectionsJson({ data, before, after }: Sections): string {
  const object = (section: Section | null) => (section === null ? 'null' : sectionJson(section));
  const afterJson = object(after);
  const beforeJson = object(before);
  const dataJson = data === after ? afterJson : data === before ? beforeJson : object(data);
  const missing = (
    [
      ['data', data],
      ['prechange', before],
      ['postchange', after],
    ] as const
  ).flatMap(([name, section]) => {
    const reasons = section === null ? '' : missingJson(section);
    return reasons === '' ? [] : [`"${name}":{${reasons}}`];
  });
  const unavailable = missing.length === 0 ? '' : `,"unavailable":{${missing.join(',')}}`;
  return `,"data":${dataJson},"snapshots":{"prechange":${beforeJson},"postchange":${afterJson}}${unavailable}}`;
}

function sectionJson({ prefixes, fragments }: Section): string {
  let json = '';
  for (let i = 0; i < prefixes.length; i += 1) {
    const fragment = fragments[i];
    if (fragment === null || fragment === undefined) continue;
    json += (json === '' ? '' : ',') + prefixes[i] + fragment;
  }
  return `{${json}}`;
}

function missingJson({ prefixes, missing, isKeyOnly }: Section): string {
  if (missing === null) return '';
  const reasons = isKeyOnly ? ['"*":"identity"'] : [];
  missing.forEach((reason, i) => {
    if (reason !== null && reason !== 'identity') reasons.push(`${prefixes[i]}"${reason}"`);
  });
  return reasons.join(',');
}

/** Takes the largest values out of the Event until it fits; where even their names are too much, all of them. */
function withinLimit(sections: Sections, maxBytes: number): Sections {
  // A UTF-16 unit is at most three bytes of UTF-8, and a missing value is named beside.
  if (3 * lengthOf(sections) + UNAVAILABLE_BYTES <= maxBytes) return sections;
  const all = [...new Set([sections.data, sections.before, sections.after])].filter((one) => one !== null);
  const isMissingSome = all.some((section) => section.missing !== null || section.isKeyOnly);
  let bytes = bytesOf(sections);
  if (bytes + (isMissingSome ? UNAVAILABLE_BYTES : 0) <= maxBytes) return sections;

  bytes += UNAVAILABLE_BYTES;
  const times = (section: Section) =>
    section === sections.data && (section === sections.after || section === sections.before) ? 2 : 1;
  const gains = all
    .flatMap((section) =>
      section.fragments.map((fragment, at) => ({
        section,
        at,
        gain: fragment === null ? 0 : (Buffer.byteLength(fragment) - MISSING_BYTES) * times(section),
      })),
    )
    .sort((a, b) => b.gain - a.gain);
  const dropped = new Map<Section, Set<number>>();
  for (const { section, at, gain } of gains) {
    if (bytes <= maxBytes || gain <= 0) break;
    dropped.set(section, (dropped.get(section) ?? new Set()).add(at));
    bytes -= gain;
  }
  const cut = new Map(all.map((section) => [section, without(section, dropped.get(section) ?? new Set())]));
  const of = (section: Section | null) =>
    section === null ? null : bytes > maxBytes ? NOTHING : (cut.get(section) ?? section);
  return { data: of(sections.data), before: of(sections.before), after: of(sections.after) };
}

/** `"too_large",` where a value is named as missing, less what its own place held. */
const MISSING_BYTES = 14;

/** What is left of a row whose very names are too much. */
const NOTHING: Section = { prefixes: ['"*":'], fragments: [null], missing: ['too_large'], isKeyOnly: false };

function lengthOf(sections: Sections): number {
  const length = (section: Section | null) =>
    section === null
      ? 0
      : section.fragments.reduce(
          (sum, fragment, i) => sum + (fragment?.length ?? 0) + (section.prefixes[i]?.length ?? 0) + 16,
          0,
        );
  return length(sections.data) + length(sections.before) + length(sections.after);
}

/** Bytes of the sections' JSON, and a little more. */
function bytesOf(sections: Sections): number {
  const bytes = (section: Section | null) =>
    section === null
      ? 0
      : section.fragments.reduce(
          (sum, fragment, i) =>
            sum +
            Buffer.byteLength(section.prefixes[i] ?? '') +
            1 +
            (fragment === null ? MISSING_BYTES : Buffer.byteLength(fragment)),
          0,
        );
  return bytes(sections.data) + bytes(sections.before) + bytes(sections.after);
}

function without(section: Section, columns: ReadonlySet<number>): Section {
  if (columns.size === 0) return section;
  const { fragments, missing } = section;
  return {
    ...section,
    fragments: fragments.map((fragment, i) => (columns.has(i) ? null : fragment)),
    missing: fragments.map((_, i) => (columns.has(i) ? 'too_large' : (missing?.[i] ?? null))),
  };
}
