/**
 * Rows that stand in the `data` of others, looked up by key, many at a time, and remembered for as long as
 * the stream says that they are as they were.
 */
import { imagesOf } from '../change/images.ts';
import type { Table } from '../change/table.ts';
import type { OldImage } from '../decode/messages.ts';
import { TextCache } from './cache.ts';
import { GoneRows } from './goneRows.ts';
import type { LookupQuery, Lookups, TextRow } from './lookups.ts';
import type { RelatedTable } from './relatedTables.ts';
import { NOT_FOUND, type Part, partsJson, renderParts, scopeJson } from './render.ts';
import { TextTuple } from './textTuple.ts';

const MAX_CACHED_ROWS = 10_000;
const MAX_CACHED_CHARS = 16 * 1_048_576;

/** Rows of one table wanted by the values of one of its columns. */
export interface RowRequest {
  readonly related: RelatedTable;
  readonly column: string;
  readonly keys: ReadonlySet<string>;
}

export class RelatedRows {
  readonly #lookups: Lookups;
  readonly #maxValueBytes: number;
  readonly #gone = new GoneRows();
  readonly #cache = new TextCache(MAX_CACHED_ROWS, MAX_CACHED_CHARS);
  /** Tables with cached rows, and the tables whose rows went into theirs. */
  readonly #dependents = new Map<string, Set<string>>();

  constructor(lookups: Lookups, maxValueBytes: number) {
    this.#lookups = lookups;
    this.#maxValueBytes = maxValueBytes;
  }

  /** key → the row as it stands in others. Rows that are not there are missing. Throws when look-ups fail. */
  async briefs(request: RowRequest): Promise<Map<string, Part>> {
    const { related, column, keys } = request;
    const found = new Map<string, Part>();
    const wanted: string[] = [];
    for (const key of keys) {
      const cached = this.#cache.get(cacheKey(related, column, key));
      if (cached === undefined) wanted.push(key);
      else found.set(key, fromCache(cached));
    }
    if (wanted.length === 0) return found;
    const rows = await this.#rowsOrGone(related, column, wanted);
    const briefs = await this.render(related, [...rows.values()]);
    [...rows.keys()].forEach((key, i) => {
      const part = briefs[i] ?? NOT_FOUND;
      found.set(key, part);
      if (part.json !== null && this.#isCacheable(related)) {
        this.#remember(related, column, key, toCache(part.json, part.scope));
      }
    });
    return found;
  }

  /** key → all columns of the row, for rows that are there. */
  async rows(related: RelatedTable, column: string, keys: readonly string[]): Promise<Map<string, TextRow>> {
    const query = rowQuery(related, column, keys);
    if (query === null) return new Map();
    const [rows = []] = await this.#lookups.run([query]);
    const at = related.table.allColumns.findIndex((one) => one.name === column);
    return new Map(rows.map((row) => [row[at] ?? '', row]));
  }

  /** As {@link rows}, with rows that were deleted lately as they were. */
  async #rowsOrGone(
    related: RelatedTable,
    column: string,
    keys: readonly string[],
  ): Promise<Map<string, TextRow>> {
    const found = await this.rows(related, column, keys);
    const columns = related.table.allColumns.map(({ name }) => name);
    for (const key of keys) {
      const gone = found.has(key) ? null : this.#gone.find(related.id, column, key, columns);
      if (gone !== null) found.set(key, gone);
    }
    return found;
  }

  /** A row was deleted: others deleted with it may still point to it. */
  holdGone(table: Table, old: OldImage): void {
    this.#gone.hold(table, old);
  }

  /** Rows as they stand in others, in the order given. */
  async render(related: RelatedTable, rows: readonly TextRow[]): Promise<Part[]> {
    const images = rows.map((row) => {
      const now = new TextTuple(row);
      const images = imagesOf(related.table, { old: { kind: 'none' }, new: now }, true, this.#maxValueBytes);
      return images.after;
    });
    const resolved = images.map(() => new Map<string, Part>());
    for (const [member, nested] of related.nested) {
      const column = related.table.columns[nested.at];
      const keys = rows.map((row) => (column === undefined ? null : (row[column.index] ?? null)));
      const wanted = new Set(keys.filter((key) => key !== null));
      if (wanted.size === 0) continue;
      const briefs = await this.briefs({ related: nested.related, column: nested.target, keys: wanted });
      keys.forEach((key, i) => {
        if (key !== null) resolved[i]?.set(member, briefs.get(key) ?? NOT_FOUND);
      });
    }
    return images.map((image, i) => {
      if (image === null) return NOT_FOUND;
      const found = resolved[i] ?? new Map<string, Part>();
      const parts = renderParts(related.brief, image, found);
      const scope = scopeJson(related.brief, parts, image, found);
      const json = partsJson(related.brief, parts);
      return { json, missing: null, ...(scope === undefined ? {} : { scope }) };
    });
  }

  /** A row of this table has changed: what is remembered of it, or was made with it, is forgotten. */
  forget(table: string): void {
    const dependents = this.#dependents.get(table);
    if (dependents === undefined) return;
    // Changes of reference data are rare; keeping track of single rows through nested texts is not worth it.
    for (const key of dependents) this.#cache.delete(key);
    this.#dependents.delete(table);
  }

  /** Tables whose changes must be told to {@link forget}. */
  isRemembered(table: string): boolean {
    return this.#dependents.has(table);
  }

  clear(): void {
    this.#cache.clear();
    this.#dependents.clear();
  }

  #isCacheable(related: RelatedTable): boolean {
    return related.isPublished && [...related.nested.values()].every((one) => this.#isCacheable(one.related));
  }

  #remember(related: RelatedTable, column: string, key: string, json: string): void {
    const entry = cacheKey(related, column, key);
    this.#cache.set(entry, json);
    for (const table of tablesOf(related)) {
      const dependents = this.#dependents.get(table) ?? new Set();
      dependents.add(entry);
      this.#dependents.set(table, dependents);
    }
    // The sets name more than the cache holds once it is full.
    if (
      this.#dependents.size > 0 &&
      [...this.#dependents.values()].some((set) => set.size > 4 * MAX_CACHED_ROWS)
    ) {
      this.clear();
    }
  }
}

/** A cached text holds both: JSON has no zero character outside of its strings' escapes. */
function toCache(json: string, scope: string | undefined): string {
  return scope === undefined ? json : `${json}\0${scope}`;
}

function fromCache(text: string): Part {
  const end = text.indexOf('\0');
  return end < 0
    ? { json: text, missing: null }
    : { json: text.slice(0, end), scope: text.slice(end + 1), missing: null };
}

function tablesOf(related: RelatedTable): string[] {
  return [related.id, ...[...related.nested.values()].flatMap((one) => tablesOf(one.related))];
}

function cacheKey(related: RelatedTable, column: string, key: string): string {
  return `${related.id} ${column} ${key}`;
}

/** null where the table has no such column. */
export function rowQuery(related: RelatedTable, column: string, keys: readonly string[]): LookupQuery | null {
  const { relation } = related.table;
  const at = relation.columns.findIndex((one) => one.name === column);
  const typeName = related.typeNames[at];
  if (typeName === undefined || keys.length === 0) return null;
  const columns = relation.columns.map((one) => quote(one.name)).join(', ');
  return {
    text: `select ${columns} from ${quote(relation.schema)}.${quote(relation.name)} where ${quote(column)} = any ($1::${typeName}[])`,
    values: [keys],
  };
}

export function quote(name: string): string {
  return `"${name.replaceAll('"', '""')}"`;
}
