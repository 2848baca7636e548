/**
 * Several Changes of one row in one Transaction as one: the first row before, the last row after.
 *
 *   created, then updated   created        created, then deleted   nothing
 *   updated, then updated   updated        updated, then deleted   deleted
 *   deleted, then created   updated        touched, and any        that
 *
 * A row is followed through changes of its key. An update that moves it between partitions arrives as
 * delete and insert of one key and becomes the update that it was. Pure.
 */
import type { ColumnText, OldImage, Relation, RowImages, RowMessage, Tuple } from '../decode/messages.ts';
import { UNCHANGED } from '../decode/messages.ts';
import type { Change } from './transaction.ts';

/** A Change with the keys that its row had before and after it. */
export interface KeyedChange {
  readonly change: Change;
  /** Tells rows of one table apart; null for a row without a key, which is never followed. */
  readonly keyBefore: string | null;
  readonly keyAfter: string | null;
}

/** Changes of one row. Of a touched row without a Change of its own, `change.row` is null. */
export interface Folded<Item extends KeyedChange> {
  readonly change: Change;
  readonly key: string | null;
  /** What it was folded from, in order. */
  readonly items: readonly Item[];
}

/** Whether an item says that the row's joined rows changed, and nothing of the row itself. */
export function isTouch({ change }: KeyedChange): boolean {
  return change.kind === 'updated' && change.row === null && change.oversizedBytes === 0;
}

/**
 * Folds the Changes of one table. Truncations and rows too large to be read stand for themselves.
 * In the order of their first Changes.
 */
export function collapse<Item extends KeyedChange>(items: readonly Item[]): Folded<Item>[] {
  const groups: Item[][] = [];
  const open = new Map<string, Item[]>();
  for (const item of items) {
    const { change, keyBefore, keyAfter } = item;
    if (change.kind === 'truncated') open.clear();
    const known = keyBefore ?? keyAfter;
    const group = known === null ? undefined : open.get(known);
    if (group !== undefined && change.row !== null) group.push(item);
    else if (group !== undefined && isTouch(item)) group.push(item);
    else groups.push(startGroup(item, open, known));
    follow(open, item);
  }
  return groups.flatMap((group) => fold(group) ?? []);
}

function startGroup<Item extends KeyedChange>(
  item: Item,
  open: Map<string, Item[]>,
  key: string | null,
): Item[] {
  const group = [item];
  const isFollowed = key !== null && (item.change.row !== null || isTouch(item));
  if (isFollowed) open.set(key, group);
  return group;
}

/** An update may have given the row another key. */
function follow<Item>(open: Map<string, Item[]>, { keyBefore, keyAfter }: KeyedChange): void {
  if (keyBefore === null || keyAfter === null || keyBefore === keyAfter) return;
  const group = open.get(keyBefore);
  if (group === undefined) return;
  open.delete(keyBefore);
  open.set(keyAfter, group);
}

function fold<Item extends KeyedChange>(items: readonly Item[]): Folded<Item> | null {
  const [first] = items;
  const last = items.at(-1);
  if (first === undefined || last === undefined) return null;
  const own = items.filter((item) => item.change.row !== null);
  const [firstOwn] = own;
  const lastOwn = own.at(-1);
  const key = last.keyAfter ?? last.keyBefore;
  if (firstOwn === undefined || lastOwn === undefined || (items.length === 1 && first === firstOwn)) {
    return { change: first.change, key, items };
  }
  const kind = foldedKind(firstOwn.change.kind, lastOwn.change.kind);
  if (kind === null) return null;
  const row = foldedRow(own.map((item) => item.change));
  return row === null
    ? { change: first.change, key, items }
    : { change: { ...firstOwn.change, kind, row, index: first.change.index }, key, items };
}

type RowKind = 'created' | 'updated' | 'deleted';

function foldedKind(first: Change['kind'], last: Change['kind']): RowKind | null {
  if (first === 'created') return last === 'deleted' ? null : 'created';
  return last === 'deleted' ? 'deleted' : 'updated';
}

const TAG_OF = { created: 'insert', updated: 'update', deleted: 'delete' } as const;

function foldedRow(changes: readonly Change[]): RowMessage | null {
  const first = changes[0];
  const last = changes.at(-1);
  const row = last?.row;
  if (first === undefined || last === undefined || row == null) return null;
  const kind = foldedKind(first.kind, last.kind) ?? 'deleted';
  return rowOf(TAG_OF[kind], row.relation, () => foldedImages(changes.flatMap((change) => change.row ?? [])));
}

/** A row message made of images that are at hand. */
export function rowOf(tag: RowMessage['tag'], relation: Relation, images: () => RowImages): RowMessage {
  const row: RowMessage = { tag, relation, bytes: 0, images, retained: () => row };
  return row;
}

function foldedImages(rows: readonly RowMessage[]): RowImages {
  const images = rows.map((row) => row.images());
  const last = images.at(-1);
  const old: OldImage = images[0]?.old ?? { kind: 'none' };
  if (last === undefined || last.new === null) {
    // The first image before is what the row was; without one, what the delete tells is all there is.
    return { old: old.kind === 'none' ? (last?.old ?? old) : old, new: null };
  }
  const relation = rows.at(-1)?.relation;
  // A large value that the last update left alone may stand in an earlier row of the same shape.
  const earlier = images
    .slice(0, -1)
    .filter((_, i) => rows[i]?.relation === relation)
    .flatMap((image) => image.new ?? [])
    .toReversed();
  return { old, new: earlier.length === 0 ? last.new : new FilledTuple([last.new, ...earlier]) };
}

/** The first tuple that has a value says it. */
class FilledTuple implements Tuple {
  readonly #tuples: readonly Tuple[];

  constructor(tuples: readonly Tuple[]) {
    this.#tuples = tuples;
  }

  get columnCount(): number {
    return this.#tuples[0]?.columnCount ?? 0;
  }

  text(column: number): ColumnText {
    return this.#source(column)?.text(column) ?? null;
  }

  byteLength(column: number): number {
    return this.#source(column)?.byteLength(column) ?? 0;
  }

  #source(column: number): Tuple | undefined {
    // byteLength is asked first: only what has none may be unchanged.
    return (
      this.#tuples.find((tuple) => tuple.byteLength(column) > 0 || tuple.text(column) !== UNCHANGED) ??
      this.#tuples[0]
    );
  }
}
