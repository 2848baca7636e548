/** Puts the members of a row together from its own columns and from what was looked up. Pure. */
import type { Cell, Image } from '../change/images.ts';
import { type Json, type JsonObject, jsonString, parseJsonQuickly } from '../core/json.ts';
import type { Member, Shape } from './shape.ts';

/** The JSON of one member, or why there is none. Both where a key stands for a row that was not found. */
export interface Part extends Cell {
  /** JSON of what texts may read of it, where that is more than `json`. */
  readonly scope?: string;
}

/** What was looked up for one row, by member: rows that it points to, rows that are included. */
export type Resolved = ReadonlyMap<string, Part>;

export const NOTHING_RESOLVED: Resolved = new Map();
export const NOT_FOUND: Part = { json: null, missing: 'lookup' };

/** One part per member of the shape, in its order. */
export function renderParts(shape: Shape, image: Image, resolved: Resolved): Part[] {
  const parts = shape.members.map((member) => ownPart(member, image, resolved));
  if (!shape.members.some((member) => member.kind === 'text')) return parts;
  const scope = scopeOf(shape, parts, image, resolved);
  shape.members.forEach((member, i) => {
    if (member.kind !== 'text') return;
    const part = textPart(member, scope);
    parts[i] = part;
    if (part.json !== null) scope[member.name] = parseJsonQuickly(part.json);
  });
  return parts;
}

/** `{"id":1,…}`; members without JSON are left out. */
export function partsJson(shape: Shape, parts: readonly Part[]): string {
  let json = '';
  for (let i = 0; i < shape.members.length; i += 1) {
    const part = parts[i];
    if (part === undefined || part.json === null) continue;
    json += (json === '' ? '' : ',') + shape.members[i]?.prefix + part.json;
  }
  return `{${json}}`;
}

function ownPart(member: Member, image: Image, resolved: Resolved): Part {
  switch (member.kind) {
    case 'column':
      return image.cell(member.at);
    case 'choice': {
      const part = image.cell(member.at);
      return part.json === null ? part : { json: choiceJson(part.json, member.labels), missing: null };
    }
    case 'related': {
      const part = image.cell(member.at);
      if (part.json === null || part.json === 'null') return part;
      const found = resolved.get(member.name) ?? NOT_FOUND;
      // A row that could not be read leaves its key.
      return found.json === null ? { json: part.json, missing: found.missing } : found;
    }
    case 'include':
      return resolved.get(member.name) ?? NOT_FOUND;
    case 'text':
      return { json: null, missing: null };
  }
}

/** `"enabled"` → `{"value":"enabled","label":"Enabled"}`; null and an unnamed empty text stay null. */
function choiceJson(json: string, labels: Readonly<Record<string, string>>): string {
  if (json === 'null') return json;
  const value = json.startsWith('"') ? String(parseJsonQuickly(json)) : json;
  if (value === '' && !Object.hasOwn(labels, '')) return 'null';
  const label = Object.hasOwn(labels, value) ? (labels[value] ?? value) : value;
  return `{"value":${json},"label":${jsonString(label)}}`;
}

/**
 * What texts of other rows may read of this one: the members, and what is hidden from `data`. undefined where
 * that is no more than the members.
 */
export function scopeJson(
  shape: Shape,
  parts: readonly Part[],
  image: Image,
  resolved: Resolved,
): string | undefined {
  const hidden = shape.hidden.flatMap((member): [string, Part][] => [
    [member.name, resolved.get(member.name) ?? ownPart(member, image, resolved)],
  ]);
  if (hidden.length === 0) return undefined;
  const more = hidden.flatMap(([name, part]) =>
    part.json === null ? [] : [`${jsonString(name)}:${part.scope ?? part.json}`],
  );
  const shown = partsJson(shape, parts).slice(1, -1);
  return `{${[...(shown === '' ? [] : [shown]), ...more].join(',')}}`;
}

/** What text members see: the other members, and rows that are looked up for texts alone. */
function scopeOf(shape: Shape, parts: readonly Part[], image: Image, resolved: Resolved): JsonObject {
  const scope: JsonObject = Object.create(null);
  shape.members.forEach((member, i) => {
    const json = parts[i]?.json;
    if (json !== null && json !== undefined) scope[member.name] = parseJsonQuickly(json);
  });
  for (const member of shape.hidden) {
    const { json } = ownPart(member, image, resolved);
    if (json !== null) scope[member.name] = parseJsonQuickly(json);
  }
  for (const [name, part] of resolved) {
    if (part.json !== null) scope[name] = parseJsonQuickly(part.scope ?? part.json);
    else if (isKeyOnly(scope[name])) delete scope[name];
  }
  return scope;
}

/** A key whose row was not found: templates that read below it must fail instead of reading nothing. */
function isKeyOnly(value: Json | undefined): boolean {
  return typeof value !== 'object' || value === null;
}

function textPart(member: Extract<Member, { kind: 'text' }>, scope: JsonObject): Part {
  const { template } = member;
  const isReadable = template.references.every(
    ([first, ...below]) =>
      first === undefined ||
      (Object.hasOwn(scope, first) &&
        (below.length === 0 || isObject(scope[first]) || scope[first] === null)),
  );
  if (!isReadable) return NOT_FOUND;
  try {
    return { json: jsonString(template.render(scope)), missing: null };
  } catch {
    // What a template of a Model cannot say of this row is missing like a row that cannot be read.
    return NOT_FOUND;
  }
}

function isObject(value: Json | undefined): boolean {
  return typeof value === 'object' && value !== null;
}
