/** What PostgreSQL can send, at random. */
import fc from 'fast-check';
import {
  type ColumnText,
  type Relation,
  type ReplicaIdentity,
  UNCHANGED,
} from '../../src/decode/messages.ts';
import type { TestRow } from './pgoutputEncoder.ts';

/** Any id of 32 bits, those above 2^31 often. */
export const oid = fc.oneof(
  fc.integer({ min: 1, max: 0xffff_ffff }),
  fc.integer({ min: 2 ** 31, max: 0xffff_ffff }),
);

export const anyLsn = fc.bigInt({ min: 0n, max: 0xffff_ffff_ffff_ffffn });

/** Microseconds since the Unix epoch, from 4713 BC to 294276 AD. */
export const instantUs = fc.bigInt({ min: -210_866_803_200_000_000n, max: 9_224_318_015_999_999_999n });

/** Text that UTF-8 can carry: no half surrogates. */
export const text = fc
  .string({ unit: 'binary', maxLength: 40 })
  .filter((candidate) => Buffer.from(candidate, 'utf8').toString('utf8') === candidate);

/** An identifier of 1 to 63 bytes: quotes, dots, spaces, emoji and keywords among them. */
export const identifier = fc
  .oneof(
    fc.string({
      unit: fc.constantFrom('a', 'Z', '_', '0', '"', "'", '.', ' ', '\\', '\n', 'é', '日', '😀', '-'),
      maxLength: 63,
    }),
    fc.constantFrom('select', '__proto__', 'constructor', 'a'.repeat(63), '😀'.repeat(15)),
  )
  .map((name) => cut(name, 63))
  .filter((name) => name !== '');

function cut(name: string, bytes: number): string {
  let kept = '';
  for (const char of name) {
    if (Buffer.byteLength(kept + char) > bytes) break;
    kept += char;
  }
  return kept;
}

const column = fc.record({
  name: identifier,
  typeOid: oid,
  typeModifier: fc.integer({ min: -1, max: 0x7fff_ffff }),
  isIdentity: fc.boolean(),
});

export const relation: fc.Arbitrary<Relation> = fc.record({
  oid,
  schema: fc.oneof(identifier, fc.constant('pg_catalog')),
  name: identifier,
  identity: fc.constantFrom<ReplicaIdentity>('default', 'nothing', 'full', 'index'),
  columns: fc.array(column, { maxLength: 12 }),
});

/** A value of a column: text, NULL, or for new rows not sent. */
function columnText(mayBeUnchanged: boolean): fc.Arbitrary<ColumnText> {
  return fc.oneof(
    { arbitrary: text, weight: 4 },
    { arbitrary: fc.constant(null), weight: 1 },
    ...(mayBeUnchanged ? [{ arbitrary: fc.constant<ColumnText>(UNCHANGED), weight: 1 }] : []),
  );
}

/** A row message of a table with so many columns. */
export function row(columns: number): fc.Arbitrary<TestRow> {
  const tuple = (mayBeUnchanged: boolean) =>
    fc.array(columnText(mayBeUnchanged), { minLength: columns, maxLength: columns });
  const old = fc.record({ kind: fc.constantFrom<'key' | 'full'>('key', 'full'), tuple: tuple(false) });
  return fc.oneof(
    fc.record({ tag: fc.constant('insert' as const), new: tuple(false) }),
    fc.record({ tag: fc.constant('update' as const), old: fc.option(old), new: tuple(true) }),
    fc.record({ tag: fc.constant('delete' as const), old }),
  );
}
