/**
 * How the rows of a table become `data`: which members there are, in which order, and what each is made of.
 *
 * A shape is worked out once per table; only members that lead to other rows cost anything per Change. Pure.
 */
import type { Column, ForeignKey, Table } from '../change/table.ts';
import { jsonString } from '../core/json.ts';
import type { Template } from '../template/engine.ts';

/** A Model's representation as configured. */
export interface RepresentOptions {
  readonly model: string;
  /** Members made by templates over the others, e.g. `display` and `url`. */
  readonly texts: readonly { readonly name: string; readonly template: Template }[];
  /** Which foreign keys stand for the row they point to; columns or fields. */
  readonly expand: 'none' | 'all' | readonly string[];
  /** Column or field → value → label. */
  readonly choices: Readonly<Record<string, Readonly<Record<string, string>>>>;
  readonly includes: readonly IncludeOptions[];
  /** The members that there are, in their order; null: all, see {@link defaultOrder}. */
  readonly fields: readonly string[] | null;
  /** Members of the row where another row's foreign key stands for it; null: all but expanded ones. */
  readonly brief: readonly string[] | null;
  /** Order of the snapshots in the formats of others; what it does not name follows. null: the table's. */
  readonly snapshotOrder: readonly string[] | null;
}

export interface IncludeOptions {
  readonly name: string;
  readonly schema: string;
  readonly table: string;
  readonly through: { readonly schema: string; readonly table: string };
  readonly source: string;
  readonly target: string;
  readonly where: readonly WhereOption[];
  readonly touch: boolean;
}

/** A column of the join table that must hold a value, or the key of the row of another table that matches. */
export interface WhereOption {
  readonly column: string;
  readonly equals:
    | { readonly kind: 'value'; readonly text: string }
    | {
        readonly kind: 'key';
        readonly schema: string;
        readonly table: string;
        readonly match: readonly (readonly [column: string, text: string])[];
      };
}

export type Member =
  | { readonly kind: 'column'; readonly name: string; readonly prefix: string; readonly at: number }
  | {
      readonly kind: 'choice';
      readonly name: string;
      readonly prefix: string;
      readonly at: number;
      readonly labels: Readonly<Record<string, string>>;
    }
  | {
      readonly kind: 'related';
      readonly name: string;
      readonly prefix: string;
      readonly at: number;
      readonly key: ForeignKey;
    }
  | { readonly kind: 'text'; readonly name: string; readonly prefix: string; readonly template: Template }
  | {
      readonly kind: 'include';
      readonly name: string;
      readonly prefix: string;
      readonly include: IncludeOptions;
    };

export interface Shape {
  readonly members: readonly Member[];
  /** Where a member stands among them, by its name; the first of that name. */
  readonly places: ReadonlyMap<string, number>;
  /** Not shown, but read by texts. */
  readonly hidden: readonly Member[];
  /** See {@link RepresentOptions.snapshotOrder}. */
  readonly snapshotOrder: readonly string[] | null;
  /** `data` is the row itself: nothing is added and nothing is put otherwise. */
  readonly isPlain: boolean;
  /** Other rows are needed. */
  readonly needsLookup: boolean;
  /** Names of members that a text member reads below their first level: their rows must be looked up. */
  readonly readByTexts: ReadonlySet<string>;
}

/** The representation of a table that no Model describes. */
export function plainOptions(model: string): RepresentOptions {
  return {
    model,
    texts: [],
    expand: 'none',
    choices: {},
    includes: [],
    fields: null,
    brief: null,
    snapshotOrder: null,
  };
}

/** `at` in members is the position in `table.columns`. */
export function shapeOf(table: Table, options: RepresentOptions): Shape {
  const isText = ({ field }: Column) => options.texts.some(({ name }) => name === field);
  const columns = table.columns.flatMap((column, at) =>
    isText(column) ? [] : columnMember(column, at, table, options),
  );
  const texts = options.texts.map(
    ({ name, template }): Member => ({ kind: 'text', name, prefix: prefixOf(name), template }),
  );
  const includes = options.includes.map(
    (include): Member => ({ kind: 'include', name: include.name, prefix: prefixOf(include.name), include }),
  );
  const all = [...columns, ...texts, ...includes];
  const { fields } = options;
  const kept = fields === null ? all : all.filter((member) => fields.includes(member.name));
  const members = ordered(kept, fields ?? defaultOrder(table));
  return shapeFrom(members, all, options);
}

/** Shapes, each worked out once: that of a table which has changed since is another than its present one. */
export class Shapes {
  readonly #represent: ReadonlyMap<string, RepresentOptions>;
  readonly #known = new WeakMap<Table, Shape>();

  /** @param represent by model */
  constructor(represent: ReadonlyMap<string, RepresentOptions>) {
    this.#represent = represent;
  }

  of(table: Table): Shape {
    const known = this.#known.get(table);
    if (known !== undefined) return known;
    const shape = shapeOf(table, this.#represent.get(table.model) ?? plainOptions(table.model));
    this.#known.set(table, shape);
    return shape;
  }
}

/**
 * The shape of a row that stands in another row's `data`: nothing in it is expanded, and where it is cut
 * short choices are their bare values, as Peering Manager and NetBox have them.
 */
export function briefShapeOf(table: Table, options: RepresentOptions): Shape {
  const { brief } = options;
  return shapeOf(table, {
    ...options,
    includes: [],
    expand: 'none',
    choices: brief === null ? options.choices : {},
    fields: brief ?? options.fields,
  });
}

/** @param all members that there could be: what texts read of those that are not shown is hidden */
function shapeFrom(
  members: readonly Member[],
  all: readonly Member[],
  { fields, snapshotOrder }: RepresentOptions,
): Shape {
  const read = new Set(
    members.flatMap((member) =>
      member.kind === 'text' ? member.template.references.flatMap(([first]) => first ?? []) : [],
    ),
  );
  const hidden = all.filter(
    (member) =>
      (member.kind === 'column' || member.kind === 'related') &&
      read.has(member.name) &&
      !members.includes(member),
  );
  const readByTexts = new Set(
    members.flatMap((member) =>
      member.kind === 'text'
        ? member.template.references.flatMap(([first, ...below]) =>
            first !== undefined && below.length > 0 ? [first] : [],
          )
        : [],
    ),
  );
  const needsOthers = (member: Member) => member.kind === 'related' || member.kind === 'include';
  return {
    members,
    places: new Map(members.map((member, at): [string, number] => [member.name, at]).toReversed()),
    hidden,
    snapshotOrder,
    isPlain: fields === null && members.every((member) => member.kind === 'column'),
    needsLookup: [...members, ...hidden].some(needsOthers),
    readByTexts,
  };
}

function columnMember(column: Column, at: number, table: Table, options: RepresentOptions): Member {
  const { field: name, jsonPrefix: prefix } = column;
  const isCalled = (given: string) => given === column.name || given === column.field;
  const labels = Object.entries(options.choices).find(([given]) => isCalled(given))?.[1];
  if (labels !== undefined) return { kind: 'choice', name, prefix, at, labels };
  const key = table.foreignKeys.find((one) => one.column === column.name);
  const { expand } = options;
  if (key !== undefined && (expand === 'all' || (expand !== 'none' && expand.some(isCalled)))) {
    return { kind: 'related', name, prefix, at, key };
  }
  return { kind: 'column', name, prefix, at };
}

function prefixOf(name: string): string {
  return `${jsonString(name)}:`;
}

/** The key first, then what names the row, then the rest. */
function ordered(members: readonly Member[], wanted: readonly string[]): Member[] {
  const rank = (member: Member) => {
    const at = wanted.indexOf(member.name);
    return at < 0 ? wanted.length : at;
  };
  // Sorting is stable: members of one rank keep their order.
  return members.toSorted((a, b) => rank(a) - rank(b));
}

function defaultOrder(table: Table): string[] {
  const isFirst = table.key.length > 0 && table.key[0]?.index === 0;
  return [...(isFirst ? table.key.map((column) => column.field) : []), 'url', 'display_url', 'display'];
}
