/**
 * Rows included through a join table, looked up for many owners at once: the tags of these objects, the
 * policies of those sessions.
 */
import type { LookupQuery, Lookups } from './lookups.ts';
import { quote, type RelatedRows } from './relatedRows.ts';
import type { RelatedTable, RelatedTables } from './relatedTables.ts';
import { NOT_FOUND, type Part } from './render.ts';
import type { IncludeOptions, WhereOption } from './shape.ts';

/** Rows included in one row; more are left out. */
const MAX_INCLUDED = 1_000;

/** What join rows written in the Transaction itself say, by the key of the included row. */
export interface Membership {
  readonly added: ReadonlySet<string>;
  readonly removed: ReadonlySet<string>;
  /** A join row went without saying which rows it joined. */
  readonly isUnknown: boolean;
}

/** One row whose included rows are wanted. */
export interface Owner {
  readonly key: string;
  /** Included as they were before the Transaction's join rows, as for a deleted row. */
  readonly isBefore: boolean;
  readonly membership: Membership | null;
}

/** Included rows of one owner: as they stand in `data`, and their keys. */
export interface Included {
  readonly part: Part;
  readonly keys: readonly string[];
}

export class IncludedRows {
  readonly #lookups: Lookups;
  readonly #tables: RelatedTables;
  readonly #rows: RelatedRows;
  /** Keys that where-conditions name, by the condition. */
  readonly #constants = new Map<WhereOption, string>();

  constructor(lookups: Lookups, tables: RelatedTables, rows: RelatedRows) {
    this.#lookups = lookups;
    this.#tables = tables;
    this.#rows = rows;
  }

  /** In the order of the owners. Throws when look-ups fail. */
  async include(options: IncludeOptions, owners: readonly Owner[]): Promise<Included[]> {
    const target = await this.#tables.find(options.schema, options.table);
    const through = await this.#tables.find(options.through.schema, options.through.table);
    const key = target?.table.key[0]?.name;
    if (target === null || through === null || key === undefined) return owners.map(() => UNKNOWN);
    const constants = await this.#resolveWhere(options.where);
    if (constants === null) return owners.map(() => ({ part: { json: '[]', missing: null }, keys: [] }));
    const current = await this.#current(options, target, through, key, constants, owners);
    const keysOf = owners.map((owner) => keysFor(owner, current.get(owner.key) ?? []));
    const wanted = new Set(keysOf.flatMap((keys) => keys ?? []));
    const briefs = await this.#rows.briefs({ related: target, column: key, keys: wanted });
    return keysOf.map((keys) => {
      if (keys === null) return UNKNOWN;
      const found = keys.flatMap((one) => briefs.get(one)?.json ?? []);
      return { part: { json: `[${found.join(',')}]`, missing: null }, keys };
    });
  }

  /** Owner → keys of the rows it includes now, in the order of those keys. */
  async #current(
    options: IncludeOptions,
    target: RelatedTable,
    through: RelatedTable,
    key: string,
    constants: readonly string[],
    owners: readonly Owner[],
  ): Promise<Map<string, string[]>> {
    const query = includeQuery(options, target, through, key, constants, [
      ...new Set(owners.map((one) => one.key)),
    ]);
    if (query === null) return new Map();
    const [rows = []] = await this.#lookups.run([query]);
    const found = new Map<string, string[]>();
    for (const [owner, included] of rows) {
      if (owner == null || included == null) continue;
      const keys = found.get(owner);
      if (keys === undefined) found.set(owner, [included]);
      else if (keys.length < MAX_INCLUDED) keys.push(included);
    }
    return found;
  }

  /** The value of each where-column; null where one names a row that does not exist. */
  async #resolveWhere(where: readonly WhereOption[]): Promise<string[] | null> {
    const values: string[] = [];
    for (const option of where) {
      const value = await this.resolve(option);
      if (value === null) return null;
      values.push(value);
    }
    return values;
  }

  /** The text that a where-column must hold. */
  async resolve(option: WhereOption): Promise<string | null> {
    if (option.equals.kind === 'value') return option.equals.text;
    const known = this.#constants.get(option);
    if (known !== undefined) return known;
    const { schema, table, match } = option.equals;
    const related = await this.#tables.find(schema, table);
    const key = related?.table.key[0]?.name;
    if (related === null || key === undefined) return null;
    const conditions = match.map(([column], i) => `${quote(column)}::text = $${i + 1}`);
    const [rows = []] = await this.#lookups.run([
      {
        text: `select ${quote(key)} from ${quote(schema)}.${quote(table)} where ${conditions.join(' and ')} limit 1`,
        values: match.map(([, text]) => text),
      },
    ]);
    const value = rows[0]?.[0] ?? null;
    if (value !== null) this.#constants.set(option, value);
    return value;
  }
}

const UNKNOWN: Included = { part: NOT_FOUND, keys: [] };

/**
 * What the Transaction did to the join rows is done for the state after it, for later ones may have undone
 * it, and undone for the state before it.
 */
function keysFor({ isBefore, membership }: Owner, current: readonly string[]): string[] | null {
  if (membership === null) return [...current];
  if (isBefore && membership.isUnknown) return null;
  const { added, removed } = membership;
  const [gained, lost] = isBefore ? [removed, added] : [added, removed];
  const keys = new Set([...current, ...gained]);
  for (const key of lost) if (!gained.has(key)) keys.delete(key);
  return [...keys].sort(byKey);
}

/** Keys as numbers where they are numbers. */
function byKey(a: string, b: string): number {
  return /^\d{1,15}$/.test(a) && /^\d{1,15}$/.test(b) ? Number(a) - Number(b) : a < b ? -1 : 1;
}

function includeQuery(
  options: IncludeOptions,
  target: RelatedTable,
  through: RelatedTable,
  key: string,
  constants: readonly string[],
  owners: readonly string[],
): LookupQuery | null {
  const columns = through.table.relation.columns;
  const typeOf = (name: string) => through.typeNames[columns.findIndex((one) => one.name === name)];
  const sourceType = typeOf(options.source);
  if (sourceType === undefined || typeOf(options.target) === undefined) return null;
  const { relation } = target.table;
  const where = options.where.map(
    ({ column }, i) => `and j.${quote(column)} = $${i + 2}::${typeOf(column) ?? 'text'}`,
  );
  return {
    text: `select j.${quote(options.source)}, t.${quote(key)}
      from ${quote(options.through.schema)}.${quote(options.through.table)} j
      join ${quote(relation.schema)}.${quote(relation.name)} t on t.${quote(key)} = j.${quote(options.target)}
      where j.${quote(options.source)} = any ($1::${sourceType}[]) ${where.join(' ')}
      order by t.${quote(key)}`,
    values: [owners, ...constants],
  };
}
