import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { ChangeKind } from '../../src/change/transaction.ts';
import { Matcher, type MatchTarget } from '../../src/match/match.ts';

const KINDS: readonly ChangeKind[] = ['created', 'updated', 'deleted', 'truncated'];

const target = (
  key: string,
  models: readonly string[],
  events: readonly ChangeKind[],
  enabled = true,
): MatchTarget => ({
  key,
  name: key,
  enabled,
  models,
  events,
  conditions: null,
  columns: null,
  onUnavailable: 'error',
  require: [],
  format: 'walhook',
  collapse: null,
});
const keys = (targets: readonly MatchTarget[]) => targets.map(({ key }) => key);

const TARGETS = [
  target('all', ['*'], KINDS),
  target('orders', ['order', 'invoice'], ['created', 'deleted']),
  target('updates', ['order'], ['updated']),
  target('off', ['*'], KINDS, false),
  target('emptied', ['order'], ['truncated']),
];

describe('the webhooks a Change is for', () => {
  it.each<[string, ChangeKind, readonly string[]]>([
    ['order', 'created', ['all', 'orders']],
    ['order', 'updated', ['all', 'updates']],
    ['order', 'deleted', ['all', 'orders']],
    ['order', 'truncated', ['all', 'emptied']],
    ['invoice', 'created', ['all', 'orders']],
    ['invoice', 'updated', ['all']],
    ['Order', 'created', ['all']],
    ['orde', 'created', ['all']],
    ['', 'created', ['all']],
    ['*', 'created', ['all']],
    ['__proto__', 'created', ['all']],
  ])('of %j, %s: %j', (model, kind, expected) => {
    const matcher = new Matcher(TARGETS);
    expect(keys(matcher.targets(model, kind))).toEqual(expected);
    expect(keys(matcher.targets(model, kind))).toEqual(expected);
  });

  it('are none where none is enabled or defined', () => {
    expect(new Matcher([]).targets('order', 'created')).toEqual([]);
    expect(new Matcher([target('off', ['*'], KINDS, false)]).targets('order', 'created')).toEqual([]);
  });

  it('do not depend on what was asked before', () => {
    const model = fc.constantFrom('order', 'invoice', 'updated order', 'x', 'created', '*');
    const question = fc.tuple(model, fc.constantFrom(...KINDS));
    fc.assert(
      fc.property(fc.array(question, { maxLength: 20 }), question, (asked, [name, kind]) => {
        const matcher = new Matcher(TARGETS);
        for (const [before, of] of asked) matcher.targets(before, of);
        expect(matcher.targets(name, kind)).toEqual(new Matcher(TARGETS).targets(name, kind));
      }),
    );
  });

  it('are the same whatever the order of the definitions', () => {
    const shuffled = fc.shuffledSubarray(TARGETS, { minLength: TARGETS.length, maxLength: TARGETS.length });
    fc.assert(
      fc.property(
        shuffled,
        fc.constantFrom('order', 'invoice', 'x'),
        fc.constantFrom(...KINDS),
        (targets, name, kind) => {
          expect(keys(new Matcher(targets).targets(name, kind)).toSorted()).toEqual(
            keys(new Matcher(TARGETS).targets(name, kind)).toSorted(),
          );
        },
      ),
    );
  });
});
