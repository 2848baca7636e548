import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type ColumnType, encoderFor, isKnownScalar } from '../../src/decode/values.ts';

const scalar = (oid: number): ColumnType => ({ kind: 'scalar', oid });
const array = (element: ColumnType, delimiter = ','): ColumnType => ({ kind: 'array', element, delimiter });

const composite = (...fields: readonly (readonly [string, ColumnType])[]): ColumnType => ({
  kind: 'composite',
  fields: fields.map(([name, type]) => ({ name, type })),
});

const INT8 = scalar(20);
const INT4 = scalar(23);
const TEXT = scalar(25);
const JSON_TYPE = scalar(114);
const FLOAT8 = scalar(701);
const DATE = scalar(1082);
const TIME = scalar(1083);
const TIMESTAMP = scalar(1114);
const TIMESTAMPTZ = scalar(1184);
const TIMETZ = scalar(1266);
const NUMERIC = scalar(1700);
const BOOL = scalar(16);
const UNKNOWN = scalar(99_999);

describe('a value becomes JSON without loss', () => {
  it.each<[string, ColumnType, string, string]>([
    ['bool', BOOL, 't', 'true'],
    ['bool', BOOL, 'f', 'false'],
    ['int2', scalar(21), '-32768', '-32768'],
    ['int4', INT4, '2147483647', '2147483647'],
    ['int8', INT8, '9223372036854775807', '9223372036854775807'],
    ['int8', INT8, '-9223372036854775808', '-9223372036854775808'],
    ['float4', scalar(700), '1e+20', '1e+20'],
    ['float8', FLOAT8, '0.1', '0.1'],
    ['float8', FLOAT8, '-0', '-0'],
    ['float8', FLOAT8, '1e-07', '1e-07'],
    ['float8', FLOAT8, '5e-324', '5e-324'],
    ['float8', FLOAT8, '1.7976931348623157e+308', '1.7976931348623157e+308'],
    ['float8', FLOAT8, 'NaN', '"NaN"'],
    ['float8', FLOAT8, 'Infinity', '"Infinity"'],
    ['float8', FLOAT8, '-Infinity', '"-Infinity"'],
    ['numeric', NUMERIC, '1.10', '"1.10"'],
    [
      'numeric',
      NUMERIC,
      '123456789012345678901234567890.123456789',
      '"123456789012345678901234567890.123456789"',
    ],
    ['numeric', NUMERIC, 'NaN', '"NaN"'],
    ['numeric', NUMERIC, '-Infinity', '"-Infinity"'],
    ['money', scalar(790), '$1,234.56', '"$1,234.56"'],
    ['text', TEXT, '', '""'],
    ['text', TEXT, 'quote " slash \\ line \n tab \t', String.raw`"quote \" slash \\ line \n tab \t"`],
    ['text', TEXT, '\u0001\u001f\u007f\u2028🐘', '"\\u0001\\u001f\u007f\u2028🐘"'],
    ['"char"', scalar(18), '"', String.raw`"\""`],
    [
      'json',
      JSON_TYPE,
      ' {"a" : 1,\n "a": 12345678901234567890} ',
      ' {"a" : 1,\n "a": 12345678901234567890} ',
    ],
    ['jsonb', scalar(3802), '{"n": 1.10}', '{"n": 1.10}'],
    ['bytea', scalar(17), '\\x00ff', String.raw`"\\x00ff"`],
    ['uuid', scalar(2950), 'af7aebe6-d049-405a-910f-d01e5ff043cd', '"af7aebe6-d049-405a-910f-d01e5ff043cd"'],
    ['inet', scalar(869), '2001:db8::1/64', '"2001:db8::1/64"'],
    [
      'interval',
      scalar(1186),
      '-1 years -2 mons +3 days -04:05:06.789',
      '"-1 years -2 mons +3 days -04:05:06.789"',
    ],
    ['bit', scalar(1560), '0101', '"0101"'],
    ['xml', scalar(142), '<a b="c"/>', String.raw`"<a b=\"c\"/>"`],
    ['date', DATE, '2023-08-07', '"2023-08-07"'],
    ['date', DATE, '0044-03-15 BC', '"0044-03-15 BC"'],
    ['date', DATE, '10000-01-01', '"10000-01-01"'],
    ['date', DATE, 'infinity', '"infinity"'],
    ['date', DATE, '-infinity', '"-infinity"'],
    ['time', TIME, '19:30:23', '"19:30:23.000000"'],
    ['time', TIME, '19:30:23.14', '"19:30:23.140000"'],
    ['time', TIME, '24:00:00', '"24:00:00.000000"'],
    ['timetz', TIMETZ, '19:30:23.140019+02', '"19:30:23.140019+02:00"'],
    ['timetz', TIMETZ, '19:30:23+05:30', '"19:30:23.000000+05:30"'],
    ['timetz', TIMETZ, '19:30:23-00:19:32', '"19:30:23.000000-00:19:32"'],
    ['timetz', TIMETZ, '00:00:00+00', '"00:00:00.000000+00:00"'],
    ['timestamp', TIMESTAMP, '2023-08-07 19:30:23', '"2023-08-07T19:30:23.000000"'],
    ['timestamp', TIMESTAMP, '2023-08-07 19:30:23.1', '"2023-08-07T19:30:23.100000"'],
    ['timestamp', TIMESTAMP, 'infinity', '"infinity"'],
    ['timestamp', TIMESTAMP, '0044-03-15 12:00:00 BC', '"0044-03-15 12:00:00 BC"'],
    ['timestamp', TIMESTAMP, '10000-01-01 00:00:00', '"10000-01-01 00:00:00"'],
    ['timestamptz', TIMESTAMPTZ, '2023-08-07 19:30:23.140019+00', '"2023-08-07T19:30:23.140019Z"'],
    ['timestamptz', TIMESTAMPTZ, '0001-01-01 00:00:00+00', '"0001-01-01T00:00:00.000000Z"'],
    ['timestamptz', TIMESTAMPTZ, '-infinity', '"-infinity"'],
    ['timestamptz', TIMESTAMPTZ, '0044-03-15 12:00:00+00 BC', '"0044-03-15 12:00:00+00 BC"'],
    ['a type of nobody', UNKNOWN, '(x,"y")', String.raw`"(x,\"y\")"`],
  ])('%s', (_name, type, text, json) => {
    expect(encoderFor(type)(text)).toBe(json);
    expect(() => JSON.parse(json)).not.toThrow();
  });

  it.each<[string, ColumnType, string, string]>([
    ['int8[]', array(INT8), '{9223372036854775807,NULL}', '[9223372036854775807,null]'],
    ['bool[][]', array(BOOL), '{{t,f},{f,NULL}}', '[[true,false],[false,null]]'],
    ['float8[]', array(FLOAT8), '{NaN,-Infinity,1e+20}', '["NaN","-Infinity",1e+20]'],
    ['numeric[]', array(NUMERIC), '{1.10,NaN}', '["1.10","NaN"]'],
    ['text[] with bounds', array(TEXT), '[0:1]={a,"b c"}', '["a","b c"]'],
    [
      'timestamptz[]',
      array(TIMESTAMPTZ),
      '{"2023-08-07 19:30:23+00",infinity}',
      '["2023-08-07T19:30:23.000000Z","infinity"]',
    ],
    ['date[]', array(DATE), '{2023-08-07,"0044-03-15 BC"}', '["2023-08-07","0044-03-15 BC"]'],
    [
      'json[]',
      array(JSON_TYPE),
      String.raw`{"{\"a\": 1}","null",NULL,"[1, 2]"}`,
      '[{"a": 1},null,null,[1, 2]]',
    ],
    ['bytea[]', array(scalar(17)), String.raw`{"\\x01","\\x"}`, String.raw`["\\x01","\\x"]`],
    ['box[]', array(scalar(603), ';'), '{(1,1),(0,0);(3,3),(2,2)}', '["(1,1),(0,0)","(3,3),(2,2)"]'],
  ])('%s', (_name, type, text, json) => {
    expect(encoderFor(type)(text)).toBe(json);
  });

  it('composites in arrays in composites', () => {
    const point: ColumnType = {
      kind: 'composite',
      fields: [
        { name: 'x"', type: INT4 },
        { name: 'at', type: TIMESTAMP },
      ],
    };
    const path: ColumnType = {
      kind: 'composite',
      fields: [
        { name: 'points', type: array(point) },
        { name: 'name', type: TEXT },
      ],
    };
    const text = String.raw`("{""(1,\\""2023-08-07 19:30:23\\"")"",""(,)"",NULL}","a ""b""")`;
    expect(encoderFor(path)(text)).toBe(
      String.raw`{"points":[{"x\"":1,"at":"2023-08-07T19:30:23.000000"},{"x\"":null,"at":null},null],"name":"a \"b\""}`,
    );
  });
});

describe('whatever the text, a value is valid JSON', () => {
  it.each([TEXT, NUMERIC, UNKNOWN, TIME, TIMETZ, array(TEXT), array(NUMERIC)])('for %j', (type) => {
    const encode = encoderFor(type);
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), (text) => {
        expect(() => JSON.parse(encode(text))).not.toThrow();
      }),
    );
  });

  // The catalog tells what a composite is made of now; a row from before an ALTER TYPE has other texts. What the
  // stream itself calls JSON is JSON: only within a composite is it looked at.
  it.each<[string, ColumnType, string]>([
    ['a number', INT4, 'not a number'],
    ['a float', FLOAT8, 'x'],
    ['json', composite(['doc', JSON_TYPE]), '("not json")'],
    ['an array of json', composite(['docs', array(JSON_TYPE)]), '("{not json}")'],
    ['a date', DATE, '"'],
    ['a timestamp', TIMESTAMP, '"'],
    ['a composite that has fewer fields now', composite(['n', INT4]), '("two words",7)'],
    ['a composite that has more fields now', composite(['n', INT4], ['m', INT4]), '(x)'],
    ['a composite that was a text', composite(['n', INT4]), '7'],
    ['an array that was a text', array(INT4), '{7'],
    ['int2vector taken for an array', array(scalar(21)), '1 2 3'],
  ])('for %s that is of another type by now', (_what, type, text) => {
    expect(() => JSON.parse(encoderFor(type)(text))).not.toThrow();
  });
});

describe('types that need no catalog', () => {
  it.each([
    16, 17, 20, 21, 23, 25, 114, 700, 701, 1043, 1082, 1083, 1114, 1184, 1266, 1700, 2950, 3802,
  ])('%i', (oid) => {
    expect(isKnownScalar(oid)).toBe(true);
  });

  it.each([0, 22, 26, 30, 600, 603, 1007, 1009, 3904, 16_400])('do not include %i', (oid) => {
    expect(isKnownScalar(oid)).toBe(false);
  });
});
