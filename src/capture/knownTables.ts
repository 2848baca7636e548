/**
 * The tables that one connection announced: as which Model each is read, which Webhooks watch it, and of which
 * other rows its rows speak, as audit rows or as join rows. Asks the catalog, before the first Change of a table.
 */
import type { AuditSource } from '../change/auditContext.ts';
import {
  type ContextOption,
  describeTable,
  isWatchable,
  type ModelOptions,
  type Table,
} from '../change/table.ts';
import type { Relation, WalMessage } from '../decode/messages.ts';
import { ROWS_TABLE } from '../definitions/webhookRow.ts';
import type { Matcher } from '../match/match.ts';
import type { Catalog } from '../represent/catalog.ts';
import type { IncludedRows } from '../represent/includedRows.ts';
import type { RelatedRows } from '../represent/relatedRows.ts';
import type { RelatedTables } from '../represent/relatedTables.ts';
import {
  type IncludeOptions,
  plainOptions,
  type RepresentOptions,
  type Shape,
  type Shapes,
} from '../represent/shape.ts';
import type { OwnerTable } from './release.ts';

export interface KnownTablesOptions {
  readonly models: readonly ModelOptions[];
  /** By model. */
  readonly represent: ReadonlyMap<string, RepresentOptions>;
  readonly context: readonly ContextOption[];
  /** Schemas whose Changes are never Events. */
  readonly ownSchemas: readonly string[];
  readonly auditSources: readonly AuditSource[];
  readonly catalog: Catalog;
  readonly tables: RelatedTables;
  readonly rows: RelatedRows;
  readonly includes: IncludedRows;
  readonly shapes: Shapes;
  /** Counts, for the metrics. */
  readonly instruments?: { changesOf(table: string): () => void } | undefined;
}

/** A table that the connection announced. */
export interface KnownTable {
  readonly table: Table;
  readonly shape: Shape;
  readonly isWatched: boolean;
  /** Counts one more Change. */
  readonly count: () => void;
  /** Audit sources that this table is, by their place. */
  readonly audits: readonly number[];
  /** Includes that this table is the join table of. */
  readonly joins: readonly { readonly include: IncludeOptions; readonly model: string }[];
}

/** What a Relation message has said. */
export interface Announced {
  readonly relation: Relation;
  /** `schema.table` */
  readonly id: string;
  /** null where its Changes are never Events. */
  readonly table: KnownTable | null;
  /** Its rows are webhooks. */
  readonly isOfWebhooks: boolean;
}

export class KnownTables {
  readonly #options: KnownTablesOptions;
  readonly #known = new Map<number, Announced>();
  readonly #owners = new Map<string, OwnerTable>();
  readonly #constants = new Map<IncludeOptions, readonly string[] | null>();

  constructor(options: KnownTablesOptions) {
    this.#options = options;
  }

  /** What was announced of a relation, by its oid. */
  find(oid: number): Announced | undefined {
    return this.#known.get(oid);
  }

  /** A table whose rows may be touched, by its model. */
  owner(model: string): OwnerTable | null {
    return this.#owners.get(model) ?? null;
  }

  /** What the where-columns of an include must hold; null where they name a row that does not exist. */
  constants(include: IncludeOptions): readonly string[] | null {
    return this.#constants.get(include) ?? null;
  }

  /** Whether a relation is known as it is: one that was altered is announced anew. */
  isKnown(relation: Relation): boolean {
    return this.#known.get(relation.oid)?.relation === relation;
  }

  /** Describes what a message names and is not known. Throws where the catalog cannot be asked. */
  async learn(message: WalMessage, matcher: Matcher): Promise<void> {
    for (const relation of relationsOf(message)) {
      if (!this.isKnown(relation)) await this.#describe(relation, matcher);
    }
  }

  /** Other webhooks are in force. */
  async replaceMatcher(matcher: Matcher): Promise<void> {
    for (const [oid, announced] of this.#known) {
      const { table } = announced;
      if (table !== null) {
        this.#known.set(oid, { ...announced, table: await this.#watched(table.table, matcher) });
      }
    }
  }

  async #describe(relation: Relation, matcher: Matcher): Promise<void> {
    const before = this.#known.get(relation.oid);
    // A table of another shape: what was described with the old one is described anew.
    if (before !== undefined) {
      this.#options.tables.clear();
      this.#options.rows.clear();
    }
    const table = isWatchable(relation, this.#options.ownSchemas)
      ? await this.#knownTable(relation, matcher)
      : null;
    const isOfWebhooks = relation.schema === ROWS_TABLE.schema && relation.name === ROWS_TABLE.name;
    const id = `${relation.schema}.${relation.name}`;
    this.#known.set(relation.oid, { relation, id, table, isOfWebhooks });
  }

  async #knownTable(relation: Relation, matcher: Matcher): Promise<KnownTable> {
    const { catalog, models, context } = this.#options;
    const table = describeTable(relation, await catalog.facts(relation), models, context);
    return await this.#watched(table, matcher);
  }

  /** What the webhooks in force make of a table. */
  async #watched(table: Table, matcher: Matcher): Promise<KnownTable> {
    const { represent, shapes, auditSources, instruments } = this.#options;
    const { relation } = table;
    const options = represent.get(table.model) ?? plainOptions(table.model);
    const shape = shapes.of(table);
    const isNamed = (one: { readonly schema: string; readonly table: string }) =>
      one.schema === relation.schema && one.table === relation.name;
    const joins = [...represent.values()].flatMap(({ model, includes }) =>
      matcher.watching(model).length === 0
        ? []
        : includes.filter((include) => isNamed(include.through)).map((include) => ({ include, model })),
    );
    const audits = auditSources.flatMap((source, i) => (isNamed(source) ? [i] : []));
    if (options.includes.length > 0) {
      this.#owners.set(table.model, { model: table.model, table, includes: options.includes });
    }
    // Rows of an audit table are context, and join rows that touch are updates of another row: neither is an
    // Event of its own unless a Webhook names the table.
    const speaksOfOthers = audits.length > 0 || joins.some(({ include }) => include.touch);
    const targets = matcher
      .watching(table.model)
      .filter((target) => !speaksOfOthers || target.models.includes(table.model));
    for (const { include, model } of joins) await this.#prepareJoin(include, model);
    const count = instruments?.changesOf(`${relation.schema}.${relation.name}`) ?? (() => undefined);
    return { table, shape, isWatched: targets.length > 0, count, audits, joins };
  }

  /** What is needed when join rows change, worked out before they do. */
  async #prepareJoin(include: IncludeOptions, model: string): Promise<void> {
    const { includes, tables, models, represent } = this.#options;
    if ((this.#constants.get(include) ?? null) === null) {
      const values = await Promise.all(include.where.map((option) => includes.resolve(option)));
      this.#constants.set(
        include,
        values.some((value) => value === null) ? null : values.flatMap((value) => value ?? []),
      );
    }
    const options = represent.get(model);
    const place = models.find((one) => one.name === model);
    if (this.#owners.has(model) || options === undefined || place === undefined) return;
    const related = await tables.find(place.schema, place.table);
    if (related === null) return;
    const { table } = related;
    this.#owners.set(model, { model, table, includes: options.includes });
  }
}

function relationsOf(message: WalMessage): readonly Relation[] {
  if (message.tag === 'truncate') return message.relations;
  return 'relation' in message ? [message.relation] : [];
}
