/**
 * A Change as conditions see it: each key is made a value when it is asked for, and what is still to be
 * looked up is pending.
 */
import type { Context } from '../change/context.ts';
import type { Image } from '../change/images.ts';
import type { Table } from '../change/table.ts';
import type { Change } from '../change/transaction.ts';
import { netboxColumn } from '../core/django.ts';
import type { EventFormat } from '../core/eventFormat.ts';
import { parseJson } from '../core/json.ts';
import type { RowPath } from '../match/conditions/condition.ts';
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
  return new ChangeView(source);
}

class ChangeView implements ConditionView {
  readonly #source: ViewSource;

  constructor(source: ViewSource) {
    this.#source = source;
  }

  get data(): RowView | null {
    const state = this.#source.after ?? this.#source.before;
    return state === null ? null : new CurrentRow(this.#source, state);
  }

  get prechange(): SnapshotView {
    return snapshotOf(this.#source, 'prechange', this.#source.before);
  }

  get postchange(): SnapshotView {
    return snapshotOf(this.#source, 'postchange', this.#source.after);
  }

  get event(): ConditionView['event'] {
    const { change, table, context } = this.#source;
    return {
      event: change.kind,
      model: table.model,
      username: context.username,
      request_id: context.requestId,
    };
  }

  isDecimal(_root: 'data' | 'prechange' | 'postchange', path: RowPath): boolean {
    return this.#source.table.columns.some((column) => column.isDecimal && column.field === path.first);
  }
}

class CurrentRow implements RowView {
  readonly #source: ViewSource;
  readonly #state: Image;
  #parts: readonly Part[] | null;

  constructor(source: ViewSource, state: Image) {
    this.#source = source;
    this.#state = state;
    this.#parts = source.parts;
  }

  get(key: string): Lookup {
    const { shape, parts, format } = this.#source;
    const at = shape.places.get(format === 'netbox' ? netboxColumn(key) : key);
    const member = at === undefined ? undefined : shape.members[at];
    if (at === undefined || member === undefined) return absent(this.#state);
    // A column is itself whatever is looked up: the members made from others need not be rendered for it.
    if (member.kind === 'column') return memberValue(member, this.#state.cell(member.at), shape, false);
    this.#parts ??= renderParts(shape, this.#state, NOTHING_RESOLVED);
    return memberValue(member, this.#parts[at], shape, parts === null);
  }
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
      const { json, missing } = image.cell(at);
      if (missing !== null) return UNAVAILABLE[missing];
      return json === null ? undefined : parseJson(json);
    },
  };
}
