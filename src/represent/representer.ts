/**
 * Adds to rows what their Models add: related rows, included rows, texts. Works on many rows at once, so
 * that a flush costs a few look-ups and not some per row.
 *
 * A look-up that fails costs the Event the part it was for, which is then said to be missing; it never
 * costs the Event.
 */
import type { Image } from '../change/images.ts';
import type { Table } from '../change/table.ts';
import { toWalhookError } from '../core/errors.ts';
import type { Logger } from '../core/logger.ts';
import type { Included, IncludedRows, Membership, Owner } from './includedRows.ts';
import type { RelatedRows } from './relatedRows.ts';
import type { RelatedTables } from './relatedTables.ts';
import { NOT_FOUND, type Part, renderParts } from './render.ts';
import type { IncludeOptions, Member, Shape } from './shape.ts';

/** One row to represent. */
export interface RowItem {
  readonly table: Table;
  readonly shape: Shape;
  /** What `data` is made of. */
  readonly image: Image;
  /** The row's key as text of its one column; null where included rows cannot be found by it. */
  readonly key: string | null;
  readonly isDeleted: boolean;
  /** By name of the include. */
  readonly memberships: ReadonlyMap<string, Membership>;
  /** The text of a column of this row, by its position in `table.columns`. */
  text(at: number): string | null;
}

export interface RepresentedRow {
  /** One part per member of the shape. */
  readonly parts: readonly Part[];
  /** Keys of included rows before and after the Transaction's join rows, by name of the include. */
  readonly included: ReadonlyMap<string, { readonly before: Included; readonly after: Included }>;
}

export interface RepresenterOptions {
  readonly tables: RelatedTables;
  readonly rows: RelatedRows;
  readonly includes: IncludedRows;
  readonly log: Logger;
}

export class Representer {
  readonly #options: RepresenterOptions;

  constructor(options: RepresenterOptions) {
    this.#options = options;
  }

  /** In the order of the items. Never throws for what look-ups do. */
  async represent(items: readonly RowItem[]): Promise<RepresentedRow[]> {
    const resolved = items.map(() => new Map<string, Part>());
    const included = items.map(() => new Map<string, { before: Included; after: Included }>());
    for (const [shape, group] of groupByShape(items)) {
      for (const member of [...shape.members, ...shape.hidden]) {
        if (member.kind === 'related') await this.#relate(member, group, resolved);
        else if (member.kind === 'include') await this.#include(member, group, resolved, included);
      }
    }
    return items.map((item, i) => ({
      parts: renderParts(item.shape, item.image, resolved[i] ?? new Map()),
      included: included[i] ?? new Map(),
    }));
  }

  async #relate(
    member: Extract<Member, { kind: 'related' }>,
    group: readonly Placed[],
    resolved: readonly Map<string, Part>[],
  ): Promise<void> {
    const keys = group.map(({ item }) => item.text(member.at));
    const wanted = new Set(keys.filter((key) => key !== null));
    if (wanted.size === 0) return;
    const { schema, table, target } = member.key;
    const briefs = await this.#attempt(`${schema}.${table}`, async () => {
      const related = await this.#options.tables.find(schema, table);
      return related === null
        ? null
        : await this.#options.rows.briefs({ related, column: target, keys: wanted });
    });
    group.forEach(({ at }, i) => {
      const key = keys[i];
      if (key != null) resolved[at]?.set(member.name, briefs?.get(key) ?? NOT_FOUND);
    });
  }

  async #include(
    member: Extract<Member, { kind: 'include' }>,
    group: readonly Placed[],
    resolved: readonly Map<string, Part>[],
    included: readonly Map<string, { before: Included; after: Included }>[],
  ): Promise<void> {
    const { include } = member;
    const owners = group.flatMap(({ item, at }) => (item.key === null ? [] : [{ item, at, key: item.key }]));
    if (owners.length === 0) return;
    const [before, after] = await this.#includeBoth(include, owners);
    owners.forEach(({ item, at }, i) => {
      const pair = { before: before[i] ?? NOTHING, after: after[i] ?? NOTHING };
      resolved[at]?.set(member.name, (item.isDeleted ? pair.before : pair.after).part);
      included[at]?.set(member.name, pair);
    });
  }

  /** As they were before the Transaction's join rows, and as they are. */
  async #includeBoth(
    include: IncludeOptions,
    owners: readonly { readonly item: RowItem; readonly key: string }[],
  ): Promise<[Included[], Included[]]> {
    const ask = (isBefore: boolean) =>
      owners.map(
        ({ item, key }): Owner => ({
          key,
          isBefore,
          membership: item.memberships.get(include.name) ?? null,
        }),
      );
    const found = await this.#attempt(`${include.through.schema}.${include.through.table}`, async () => {
      const after = await this.#options.includes.include(include, ask(false));
      const hasMoved = owners.some(({ item }) => item.memberships.has(include.name));
      const before = hasMoved ? await this.#options.includes.include(include, ask(true)) : after;
      return [before, after] as [Included[], Included[]];
    });
    return found ?? [[], []];
  }

  /** null when the look-up failed. A table's shape may have changed since it was described: forget it. */
  async #attempt<T>(what: string, lookUp: () => Promise<T>): Promise<T | null> {
    try {
      return await lookUp();
    } catch (error) {
      this.#options.tables.clear();
      this.#options.rows.clear();
      try {
        return await lookUp();
      } catch (again) {
        const known = toWalhookError(again);
        this.#options.log.warn({ table: what, err: error }, `related rows not read: ${known.message}`);
        return null;
      }
    }
  }
}

const NOTHING: Included = { part: NOT_FOUND, keys: [] };

interface Placed {
  readonly item: RowItem;
  /** Its place among all items. */
  readonly at: number;
}

function groupByShape(items: readonly RowItem[]): Map<Shape, Placed[]> {
  const groups = new Map<Shape, Placed[]>();
  items.forEach((item, at) => {
    const group = groups.get(item.shape);
    if (group === undefined) groups.set(item.shape, [{ item, at }]);
    else group.push({ item, at });
  });
  return groups;
}
