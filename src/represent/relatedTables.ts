/**
 * The tables whose rows stand in the `data` of others, described once from the catalog: their columns, what
 * their rows look like there, and which rows their own texts need.
 */
import {
  type ContextOption,
  describeTable,
  type ModelOptions,
  modelName,
  type Table,
} from '../change/table.ts';
import type { Catalog } from './catalog.ts';
import { briefShapeOf, plainOptions, type RepresentOptions, type Shape } from './shape.ts';

export interface RelatedTable {
  /** `schema.table` */
  readonly id: string;
  readonly table: Table;
  /** As SQL spells the type of each column. */
  readonly typeNames: readonly string[];
  readonly brief: Shape;
  /** Rows that the texts of these rows read, by member. */
  readonly nested: ReadonlyMap<string, NestedTable>;
  /** The stream tells when a row changes; others are looked up each time. */
  readonly isPublished: boolean;
}

export interface NestedTable {
  /** The column of the row that holds the key. */
  readonly at: number;
  /** The column of the other table that it points to. */
  readonly target: string;
  readonly related: RelatedTable;
}

export interface RelatedTablesOptions {
  readonly catalog: Catalog;
  readonly publication: string;
  readonly models: readonly ModelOptions[];
  readonly represent: ReadonlyMap<string, RepresentOptions>;
  readonly context: readonly ContextOption[];
}

/** Texts of rows that texts of rows read: deeper is not looked up. */
const MAX_DEPTH = 3;

export class RelatedTables {
  readonly #options: RelatedTablesOptions;
  readonly #known = new Map<string, Promise<RelatedTable | null>>();

  constructor(options: RelatedTablesOptions) {
    this.#options = options;
  }

  /** null where there is no such table, or this role cannot see it. */
  find(schema: string, name: string, depth = 0): Promise<RelatedTable | null> {
    const id = `${schema}.${name} ${depth}`;
    let known = this.#known.get(id);
    if (known === undefined) {
      known = this.#describe(schema, name, depth);
      this.#known.set(id, known);
      // A failure is not remembered.
      known.catch(() => this.#known.delete(id));
    }
    return known;
  }

  /** Forgets everything: a table has changed its shape. */
  clear(): void {
    this.#known.clear();
  }

  async #describe(schema: string, name: string, depth: number): Promise<RelatedTable | null> {
    const { catalog, models, represent, context, publication } = this.#options;
    const described = await catalog.relation(schema, name);
    if (described === null) return null;
    const facts = await catalog.facts(described.relation);
    const table = describeTable(described.relation, facts, models, context);
    const options = represent.get(modelName(described.relation, models)) ?? plainOptions(table.model);
    const brief = briefShapeOf(table, options);
    const nested = new Map<string, NestedTable>();
    for (const member of depth < MAX_DEPTH ? brief.readByTexts : []) {
      const at = table.columns.findIndex((column) => column.field === member);
      const key = facts.foreignKeys.find((one) => one.column === table.columns[at]?.name);
      const related = key === undefined ? null : await this.find(key.schema, key.table, depth + 1);
      if (key !== undefined && related !== null) nested.set(member, { at, target: key.target, related });
    }
    return {
      id: `${schema}.${name}`,
      table,
      typeNames: described.typeNames,
      brief,
      nested,
      isPublished: await catalog.isPublished(publication, schema, name),
    };
  }
}
