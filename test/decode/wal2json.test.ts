/** Lines of wal2json as its format version 2 writes them, and what is made of the columns they leave out. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { parseLsn } from '../../src/core/lsn.ts';
import { type Tuple, UNCHANGED } from '../../src/decode/messages.ts';
import {
  parseHead,
  parseLine,
  type RowLine,
  relationOf,
  rowOf,
  type TableShape,
} from '../../src/decode/wal2json.ts';

function rowLine(text: string): RowLine {
  const line = parseLine(text);
  if (line.tag !== 'row') throw new Error('not a row');
  return line;
}

const insert = (columns: string): RowLine =>
  rowLine(
    `{"action":"I","xid":7,"timestamp":"2026-11-23 14:27:16.2909+00","lsn":"0/155DD40","schema":"public","table":"t","columns":[${columns}],"pk":[{"name":"id","typeoid":20}]}`,
  );

describe('a line', () => {
  it('begins a Transaction with the place and time of its commit', () => {
    expect(
      parseLine(
        '{"action":"B","xid":4294967295,"timestamp":"2023-08-07 19:30:23.14+00","lsn":"16/B374D848","nextlsn":"16/B374D878"}',
      ),
    ).toEqual({
      tag: 'begin',
      commitLsn: parseLsn('16/B374D848'),
      committedAtUs: 1_691_436_623_140_000n,
      xid: 4_294_967_295,
    });
  });

  it('ends a Transaction where the next one begins', () => {
    expect(
      parseLine(
        '{"action":"C","xid":7,"timestamp":"2023-08-07 19:30:23+00","lsn":"16/B374D848","nextlsn":"16/B374D878"}',
      ),
    ).toEqual({ tag: 'commit', commitLsn: parseLsn('16/B374D848'), endLsn: parseLsn('16/B374D878') });
  });

  it('carries a message, also outside of a Transaction', () => {
    expect(
      parseLine(
        '{"action":"M","xid":null,"timestamp":null,"lsn":"0/1","transactional":false,"prefix":"p","content":"\\u0001é"}',
      ),
    ).toEqual({ tag: 'message', transactional: false, prefix: 'p', content: '\u0001é' });
  });

  it.each([
    ['int8 beyond 2^53', 20, '9223372036854775807', '9223372036854775807'],
    ['numeric with its zeros', 1700, '1.10', '1.10'],
    ['a float', 701, '-1e-300', '-1e-300'],
    ['a number that is text', 1700, '"NaN"', 'NaN'],
    ['true', 16, 'true', 't'],
    ['false', 16, 'false', 'f'],
    ['null', 25, 'null', null],
    ['bytea', 17, '"deadbeef"', '\\xdeadbeef'],
    ['bytea in a domain', 16_999, '"\\\\xdeadbeef"', '\\xdeadbeef'],
    ['text', 25, '"te\\"x\\t\\\\é🐘"', 'te"x\t\\é🐘'],
    ['text that looks like a line', 25, '"{\\"value\\":5}"', '{"value":5}'],
  ])('keeps the text of %s', (_what, oid, json, text) => {
    const line = insert(`{"name":"v","typeoid":${oid},"value":${json}}`);
    expect(line.columns).toEqual([{ name: 'v', typeOid: oid, text }]);
  });

  it('keeps any text and any digits', () => {
    const digits = fc.stringMatching(/^-?(0|[1-9][0-9]{0,40})(\.[0-9]{1,40})?(e[+-][0-9]{1,3})?$/);
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), digits, fc.string(), (text, number, name) => {
        const columns = [
          `{"name":${JSON.stringify(name)},"typeoid":25,"value":${JSON.stringify(text)}}`,
          `{"name":"n","typeoid":1700,"value":${number}}`,
        ];
        expect(insert(columns.join(',')).columns?.map((column) => column.text)).toEqual([text, number]);
      }),
    );
  });

  it.each([
    '',
    '{',
    'null',
    '{"action":"X"}',
    '{"action":"B","lsn":"x"}',
    '{"action":"C","lsn":"0/1"}',
  ])('is refused where it is none: %j', (text) => {
    expect(() => parseLine(text)).toThrow(expect.objectContaining({ code: 'STREAM_INVALID' }));
  });

  it('names its table in its first bytes', () => {
    const head =
      '{"action":"U","xid":7,"timestamp":"2026-11-23 14:27:16+00","lsn":"0/1","schema":"s\\"\\\\","table":"Odd \\" tab","columns":[{"na';
    expect(parseHead(head)).toEqual({ kind: 'update', table: { schema: 's"\\', name: 'Odd " tab' } });
    expect(parseHead('{"action":"M","xid":7')).toBeNull();
  });
});

const column = (name: string, isToastable = false) => ({ name, typeOid: isToastable ? 25 : 20, isToastable });
const shape = (more: Partial<TableShape> = {}): TableShape => ({
  oid: 16_384,
  schema: 'public',
  name: 't',
  identity: 'default',
  identityColumns: ['id'],
  columns: [column('id'), column('big', true), column('n')],
  hidden: [],
  ...more,
});

const KEY = '"identity":[{"name":"id","typeoid":20,"value":1}],"pk":[{"name":"id","typeoid":20}]';
const START = '"xid":7,"timestamp":"2026-11-23 14:27:16+00","lsn":"0/1","schema":"public","table":"t"';
const texts = (tuple: Tuple | null) =>
  tuple === null ? null : Array.from({ length: tuple.columnCount }, (_, i) => tuple.text(i));

function images(line: RowLine, of: TableShape | null): Record<string, unknown> {
  const relation = relationOf(line, of, 99);
  const { old, new: now } = rowOf(line, relation).images();
  return {
    oid: relation.oid,
    identity: relation.identity,
    columns: relation.columns.map(({ name, isIdentity }) => (isIdentity ? `${name}*` : name)),
    old: old.kind === 'none' ? null : [old.kind, texts(old.tuple)],
    new: texts(now),
  };
}

describe('a row', () => {
  it('has every column of an insert and no other', () => {
    const line = insert('{"name":"id","typeoid":20,"value":1},{"name":"n","typeoid":20,"value":2}');
    expect(images(line, shape())).toEqual({
      oid: 16_384,
      identity: 'default',
      columns: ['id*', 'n'],
      old: null,
      new: ['1', '2'],
    });
  });

  it('says of a large value that an update left out that it is unchanged, in its place', () => {
    const line = rowLine(
      `{"action":"U",${START},"columns":[{"name":"id","typeoid":20,"value":1},{"name":"n","typeoid":20,"value":2}],${KEY}}`,
    );
    expect(images(line, shape())).toEqual({
      oid: 16_384,
      identity: 'default',
      columns: ['id*', 'big', 'n'],
      old: ['key', ['1', null, null]],
      new: ['1', UNCHANGED, '2'],
    });
  });

  it('has the whole row before where the line tells it, whatever the catalog says now', () => {
    const whole =
      '"identity":[{"name":"id","typeoid":20,"value":1},{"name":"big","typeoid":25,"value":"B"},{"name":"n","typeoid":20,"value":1}],"pk":[{"name":"id","typeoid":20}]';
    const line = rowLine(
      `{"action":"U",${START},"columns":[{"name":"id","typeoid":20,"value":1},{"name":"n","typeoid":20,"value":2}],${whole}}`,
    );
    for (const identity of ['default', 'full'] as const) {
      expect(images(line, shape({ identity }))).toEqual({
        oid: 16_384,
        identity: 'full',
        columns: ['id*', 'big*', 'n*'],
        old: ['full', ['1', 'B', '1']],
        new: ['1', UNCHANGED, '2'],
      });
    }
  });

  it('has the key alone of a deleted row whose table sent whole rows only later', () => {
    const line = rowLine(`{"action":"D",${START},${KEY}}`);
    expect(images(line, shape({ identity: 'full' }))).toMatchObject({
      identity: 'default',
      old: ['key', ['1', null, null]],
      new: null,
    });
  });

  it('leaves out what the publication leaves out', () => {
    const line = insert('{"name":"id","typeoid":20,"value":1},{"name":"secret","typeoid":25,"value":"s"}');
    expect(images(line, shape({ columns: [column('id')], hidden: ['secret'] }))).toMatchObject({
      columns: ['id*'],
      new: ['1'],
    });
  });

  it('stands under the partitioned table in the order of its columns', () => {
    const line = rowLine(
      `{"action":"I","xid":7,"timestamp":"2026-11-23 14:27:16+00","lsn":"0/1","schema":"public","table":"t_low","columns":[{"name":"n","typeoid":20,"value":2},{"name":"big","typeoid":25,"value":"B"},{"name":"id","typeoid":20,"value":1}],"pk":[{"name":"id","typeoid":20}]}`,
    );
    expect(images(line, shape())).toMatchObject({ columns: ['id*', 'big', 'n'], new: ['1', 'B', '2'] });
  });

  it('has what its line says where the catalog knows the table no more', () => {
    const line = rowLine(`{"action":"D",${START},${KEY}}`);
    expect(images(line, null)).toEqual({
      oid: 99,
      identity: 'default',
      columns: ['id*'],
      old: ['key', ['1']],
      new: null,
    });
  });
});
