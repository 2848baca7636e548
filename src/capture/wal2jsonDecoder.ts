/**
 * Makes messages of wal2json's lines: what a line does not say of its table is asked of the catalog, once for
 * each set of columns that lines of the table come with.
 *
 * The plugin knows no publication, so rows of unpublished tables are recognised here. They still count in
 * their Transaction: positions within one must not depend on what is published at the time of reading.
 */
import type { OversizedMessage, Relation, WalMessage } from '../decode/messages.ts';
import {
  parseHead,
  parseLine,
  type RowLine,
  relationOf,
  relationOfShape,
  rowOf,
  type TableName,
  type TableShape,
} from '../decode/wal2json.ts';

/** What the catalog says of a table: how it is published, `unpublished`, or null where it is gone. */
export type ShapeAnswer = TableShape | 'unpublished' | null;

/** Sets of columns that are remembered: each subset of large values that updates leave out is one. */
const MAX_REMEMBERED = 5_000;
/** Tables that are gone have no id any more; ids given out by a server do not come this high. */
const FIRST_STAND_IN_OID = 0xffff_0000;

const UNPUBLISHED: WalMessage = { tag: 'unpublished' };
const IGNORED: WalMessage = { tag: 'ignored' };

export class Wal2jsonDecoder {
  readonly #ask: (table: TableName) => Promise<ShapeAnswer>;
  /** By table, then by the columns of its lines. */
  readonly #relations = new Map<string, Map<string, Relation | 'unpublished'>>();
  readonly #shapes = new Map<string, ShapeAnswer>();
  readonly #standIns = new Map<string, number>();
  #remembered = 0;

  constructor(ask: (table: TableName) => Promise<ShapeAnswer>) {
    this.#ask = ask;
  }

  decode(buffer: Buffer, start: number, end: number): WalMessage | Promise<WalMessage> {
    const line = parseLine(buffer.toString('utf8', start, end));
    if (line.tag === 'truncate') return this.#truncate(line.table);
    if (line.tag !== 'row') return line;
    const known = this.#relations.get(idOf(line.table))?.get(columnsOf(line));
    return known === undefined
      ? this.#learn(line).then((relation) => messageOf(line, relation))
      : messageOf(line, known);
  }

  async decodeHead(head: Buffer, bytes: number): Promise<WalMessage> {
    const found = parseHead(head.toString('utf8'));
    if (found === null) return IGNORED;
    const relation = await this.#relationFor(found.table);
    if (relation === 'unpublished') return UNPUBLISHED;
    return { tag: 'oversized', kind: found.kind, relation, bytes } satisfies OversizedMessage;
  }

  /** Partitions of a published root follow it in the stream and are counted, not told. */
  async #truncate(table: TableName): Promise<WalMessage> {
    const relation = await this.#relationFor(table);
    const isOther =
      relation === 'unpublished' || relation.name !== table.name || relation.schema !== table.schema;
    return isOther ? UNPUBLISHED : { tag: 'truncate', relations: [relation] };
  }

  /** For messages without columns: any relation that is known of the table will do. */
  async #relationFor(table: TableName): Promise<Relation | 'unpublished'> {
    const [known] = this.#relations.get(idOf(table))?.values() ?? [];
    if (known !== undefined) return known;
    const shape = await this.#shapeOf(table);
    if (shape === 'unpublished') return shape;
    if (shape !== null) return relationOfShape(shape);
    return { ...table, oid: this.#standIn(table), identity: 'nothing', columns: [] };
  }

  /** Columns that no line of the table came with before: the table may have changed, so the catalog is asked. */
  async #learn(line: RowLine): Promise<Relation | 'unpublished'> {
    const id = idOf(line.table);
    this.#forgetMany();
    const before = JSON.stringify(this.#shapes.get(id));
    this.#shapes.delete(id);
    const shape = await this.#shapeOf(line.table);
    if (JSON.stringify(shape) !== before) this.#relations.delete(id);
    const known = this.#relations.get(id) ?? new Map<string, Relation | 'unpublished'>();
    const relation = relationFrom(line, shape, this.#standIn(line.table));
    const text = JSON.stringify(relation);
    const same = [...known.values()].find((one) => JSON.stringify(one) === text) ?? relation;
    this.#relations.set(id, known.set(columnsOf(line), same));
    this.#remembered += 1;
    return same;
  }

  #forgetMany(): void {
    if (this.#remembered < MAX_REMEMBERED) return;
    this.#relations.clear();
    this.#shapes.clear();
    this.#remembered = 0;
  }

  async #shapeOf(table: TableName): Promise<ShapeAnswer> {
    const id = idOf(table);
    const known = this.#shapes.get(id);
    if (known !== undefined) return known;
    const shape = await this.#ask(table);
    this.#shapes.set(id, shape);
    return shape;
  }

  #standIn(table: TableName): number {
    const id = idOf(table);
    const oid = this.#standIns.get(id) ?? FIRST_STAND_IN_OID + (this.#standIns.size % 0xffff);
    this.#standIns.set(id, oid);
    return oid;
  }
}

function relationFrom(line: RowLine, shape: ShapeAnswer, oid: number): Relation | 'unpublished' {
  return shape === 'unpublished' ? shape : relationOf(line, shape, oid);
}

function messageOf(line: RowLine, relation: Relation | 'unpublished'): WalMessage {
  return relation === 'unpublished' ? UNPUBLISHED : rowOf(line, relation);
}

function idOf({ schema, name }: TableName): string {
  return JSON.stringify([schema, name]);
}

/** What tells one shape of a table's lines from another. */
function columnsOf({ kind, columns, identity, primaryKey }: RowLine): string {
  const names = (list: RowLine['columns']) => list?.map(({ name, typeOid }) => [name, typeOid]) ?? null;
  return JSON.stringify([kind, names(columns), names(identity), primaryKey]);
}
