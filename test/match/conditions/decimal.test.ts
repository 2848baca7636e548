import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Json } from '../../../src/core/json.ts';
import { compareDecimal } from '../../../src/match/conditions/decimal.ts';
import { evaluate } from '../../../src/match/conditions/evaluate.ts';
import { viewOfEvent } from '../../../src/match/conditions/eventView.ts';
import { ask, askView, conditionsOf, type Letter } from './ask.ts';

describe('comparing a decimal text with a number', () => {
  it.each<[text: string, number: number | bigint, sign: number]>([
    ['1.50', 1.5, 0],
    ['0.1', 0.1, 0],
    ['0.1000000000000000055511151231257827', 0.1, 1],
    ['0.30000000000000000001', 0.3, 1],
    ['-0.00', 0, 0],
    ['-0', -0, 0],
    ['000123.4500', 123.45, 0],
    ['.5', 0.5, 0],
    ['5.', 5, 0],
    ['+7', 7, 0],
    ['1e3', 1000, 0],
    ['1.5E-7', 1.5e-7, 0],
    ['12345678901234567890.1', 12345678901234567890n, 1],
    ['9007199254740993', 9007199254740993n, 0],
    ['9007199254740993', 9007199254740992, 1],
    ['-2', 1, -1],
    ['-2', -1.5, -1],
    ['-10', -9, -1],
    ['99.999', 100, -1],
    ['1e999999', 1e308, 1],
    ['1e-999999', 0, 1],
    ['Infinity', 1e308, 1],
    ['-Infinity', -(2n ** 200n), -1],
    ['NaN', 1e308, 1],
  ])('%s and %s', (text, number, sign) => {
    expect(Math.sign(compareDecimal(text, number) ?? Number.NaN)).toBe(sign);
  });

  it.each([
    '',
    '.',
    '-',
    'abc',
    '1,5',
    '1.2.3',
    '0x10',
    ' 1',
    '1\n',
    'nan',
    'e5',
    '1e',
    '1e9999999',
    '١',
  ])('is not possible with %j', (text) => {
    expect(compareDecimal(text, 1)).toBeUndefined();
  });

  it('agrees with exact integer arithmetic', () => {
    // value = units / 10^scale, written with its point, against an integer.
    const decimal = fc.tuple(
      fc.bigInt({ min: -(10n ** 30n), max: 10n ** 30n }),
      fc.integer({ min: 0, max: 40 }),
    );
    fc.assert(
      fc.property(decimal, fc.bigInt({ min: -(10n ** 12n), max: 10n ** 12n }), ([units, scale], number) => {
        const digits = String(units < 0n ? -units : units).padStart(scale + 1, '0');
        const at = digits.length - scale;
        const text = `${units < 0n ? '-' : ''}${digits.slice(0, at)}${scale > 0 ? `.${digits.slice(at)}` : ''}`;
        const difference = units - number * 10n ** BigInt(scale);
        const expected = difference === 0n ? 0 : difference < 0n ? -1 : 1;
        expect(Math.sign(compareDecimal(text, number) ?? Number.NaN)).toBe(expected);
      }),
    );
  });

  it('finds every double equal to its own shortest text, with zeros around it', () => {
    fc.assert(
      fc.property(fc.double({ noNaN: true, noDefaultInfinity: true }), (number) => {
        const text = String(number);
        expect(compareDecimal(text, number)).toBe(0);
        const [mantissa = '', exponent] = text.split('e');
        const padded = mantissa.includes('.') ? `${mantissa}000` : `${mantissa}.000`;
        expect(compareDecimal(exponent === undefined ? padded : `${padded}e${exponent}`, number)).toBe(0);
      }),
    );
  });

  it('takes time linear in the digits', () => {
    const long = `${'0'.repeat(200_000)}1.${'0'.repeat(200_000)}1`;
    const start = performance.now();
    expect(compareDecimal(long, 1)).toBe(1);
    expect(performance.now() - start).toBeLessThan(200);
  });
});

describe('numeric columns', () => {
  it.each<[op: string, seen: Json, value: Json, result: Letter]>([
    ['eq', '12.50', 12.5, 'T'],
    ['eq', '12.50', 12.51, 'F'],
    ['eq', '1', true, 'T'],
    ['eq', '12.50', '12.5', 'F'],
    ['gt', '12.50', 12, 'T'],
    ['gte', '12.50', 12.5, 'T'],
    ['lt', '9007199254740993.1', 9007199254740993n, 'F'],
    ['lte', '-1e3', -1000, 'T'],
    ['in', '12.50', [1, 12.5], 'T'],
    ['in', '12.50', ['12.50'], 'T'],
    ['contains', ['1.50', '2.00'], 2, 'T'],
    ['contains', ['1.50', '2.00'], 3, 'F'],
    ['eq', ['1.50', '2.00'], [1.5, 2], 'T'],
    ['gt', 'NaN', 5, 'T'],
    ['eq', 'Infinity', 5, 'F'],
    ['gt', 'twelve', 5, 'E'],
    ['gt', '', 5, 'E'],
  ])('%s: %s and %s', (op, seen, value, result) => {
    expect(ask({ attr: 'price', op, value }, { data: { price: seen } })).toBe(result);
    const snapshots = { prechange: { price: seen }, postchange: null };
    expect(ask({ attr: 'snapshots.prechange.price', op, value }, { data: {}, snapshots })).toBe(result);
  });

  it('are told from text by the view', () => {
    const event = { data: { price: '5', code: '5', items: [{ price: '5' }] } };
    const view = viewOfEvent(
      event,
      (root, path) => root === 'data' && [path.first, ...path.rest].at(-1) === 'price',
    );
    expect(askView({ attr: 'price', value: 5 }, view)).toBe('T');
    expect(askView({ attr: 'code', value: 5 }, view)).toBe('F');
    expect(askView({ attr: 'code', op: 'gt', value: 1 }, view)).toBe('E');
    expect(askView({ attr: 'items.price', op: 'contains', value: 5 }, view)).toBe('T');
  });

  it('are asked for only where text meets a number', () => {
    const view = viewOfEvent({ data: { status: 'a', n: 1 } }, () => {
      throw new Error('asked');
    });
    const ruleset = {
      and: [
        { attr: 'status', op: 'in', value: ['a', 'b'] },
        { attr: 'status', op: 'regex', value: 'a' },
        { attr: 'n', op: 'gt', value: 0 },
      ],
    };
    expect(evaluate(conditionsOf(ruleset), view).kind).toBe('matched');
  });

  it('change when their text does', () => {
    const snapshots = { prechange: { price: '1.5' }, postchange: { price: '1.50' } };
    expect(ask({ attr: 'price', op: 'changed' }, { data: {}, snapshots })).toBe('T');
  });
});
