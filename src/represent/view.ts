/**
 * A Change as conditions see it: each key is made a value when it is asked for, and what is still to be
 * looked up is pending.
 */
import type { Context } from '../change/context.ts';
import type { Image } from '../change/images.ts';
import type { Table } from '../change/table.ts';
import type { Change } from '../change/transaction.ts';
import { netboxField } from '../core/django.ts';
import type { EventFormat } from '../core/eventFormat.ts';
import { type Json, parseJson } from '../core/json.ts';
import {
  type ConditionView,
  type Lookup,
  type RowView,
  type SnapshotView,
  UNAVAILABLE,
} from '../match/conditions/view.ts';
import { type FrozenSource, frozenMember } from './frozen.ts';
import { NOTHING_RESOLVED, type Part, renderParts } from './render.ts';
import type { Member, Shape } from './shape.ts';

export interface ViewSource {
  readonly change: Change;
  readonly table: Table;
  readonly shape: Shape;
  readonly context: Context;
  readonly before: Image | null;
  readonly after: Image | null;
  /** The members of `data`; null before anything was looked up. */
  readonly parts: readonly Part[] | null;
  /** Included rows by name of the include; null before anything was looked up. */
  readonly included: FrozenSource['included'] | null;
  /** Whose names and values snapshots bear. */
  readonly format: EventFormat;
}

export function viewOfChange(source: ViewSource): ConditionView {
  const { change, table, context, before, after } = source;
  const state = after ?? before;
  const decimals = new Set(table.columns.filter((column) => column.isDecimal).map((column) => column.field));
  return {
    data: state === null ? null : dataView(source, state),
    prechange: snapshotOf(source, 'prechange', before),
    postchange: snapshotOf(source, 'postchange', after),
    event: {
      event: change.kind,
      model: table.model,
      username: context.username,
      request_id: context.requestId,
    },
    isDecimal: (_root, path) => decimals.has(path.first),
  };
}

function dataView({ shape, parts, format }: ViewSource, state: Image): RowView {
  const own = parts ?? renderParts(shape, state, NOTHING_RESOLVED);
  const values = new Map<string, Lookup>();
  return {
    get(key) {
      if (values.has(key)) return values.get(key);
      const at = shape.members.findIndex(
        ({ name }) => (format === 'netbox' ? netboxField(name) : name) === key,
      );
      const member = shape.members[at];
      const value =
        member === undefined ? absent(state) : memberValue(member, own[at], shape, parts === null);
      values.set(key, value);
      return value;
    },
  };
}

function memberValue(member: Member, part: Part | undefined, shape: Shape, isEarly: boolean): Lookup {
  if (isEarly && isPending(member, part, shape)) return UNAVAILABLE.pending;
  if (part === undefined) return undefined;
  if (part.missing !== null) return UNAVAILABLE[part.missing];
  return part.json === null ? undefined : parseJson(part.json);
}

/** Whether a look-up may still change the member. A foreign key that is null stays so. */
function isPending(member: Member, part: Part | undefined, shape: Shape): boolean {
  switch (member.kind) {
    case 'include':
      return true;
    case 'related':
      return part?.json !== 'null' && part?.missing === 'lookup';
    case 'text':
      return shape.needsLookup;
    case 'column':
    case 'choice':
      return false;
  }
}

/** A key that the row has not, or that was not sent with its key alone. */
function absent(image: Image): Lookup {
  return image.isKeyOnly ? UNAVAILABLE.identity : undefined;
}

function snapshotOf(source: ViewSource, side: 'prechange' | 'postchange', image: Image | null): SnapshotView {
  const { table, included, format } = source;
  if (format === 'walhook' || image === null) return snapshotView(table, image);
  return {
    get(key): Lookup {
      const part = frozenMember(source, included, side, image, key, format);
      if (part === undefined) return undefined;
      if (part === 'pending') return UNAVAILABLE.pending;
      if (part.missing !== null) return UNAVAILABLE[part.missing];
      return part.json === null ? undefined : parseJson(part.json);
    },
  };
}

function snapshotView(table: Table, image: Image | null): SnapshotView {
  if (image === null) return null;
  return {
    get(key): Lookup {
      const at = table.columns.findIndex((column) => column.field === key);
      if (at < 0) return undefined;
      const reason = image.missing?.[at] ?? null;
      if (reason !== null) return UNAVAILABLE[reason];
      const fragment = image.fragments[at];
      return fragment == null ? undefined : (parseJson(fragment) as Json);
    },
  };
}
