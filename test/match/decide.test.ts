/** Whether a Webhook fires: what it requires, the columns it watches, its conditions, and values not at hand. */
import { describe, expect, it } from 'vitest';
import type { JsonObject } from '../../src/core/json.ts';
import { viewOfEvent } from '../../src/match/conditions/eventView.ts';
import { decide } from '../../src/match/decide.ts';
import type { MatchTarget } from '../../src/match/match.ts';
import { conditionsOf } from './conditions/ask.ts';

const ANYTHING: MatchTarget = {
  key: 'w',
  name: 'w',
  enabled: true,
  models: ['*'],
  events: ['created', 'updated', 'deleted'],
  conditions: null,
  columns: null,
  onUnavailable: 'error',
  require: [],
  format: 'walhook',
  collapse: null,
};
const ONE = conditionsOf({ attr: 'one', value: 1 });
const TWO = conditionsOf({ attr: 'one', value: 2 });
const BIG = conditionsOf({ attr: 'big', value: 'x' });
const RELATED = conditionsOf({ attr: 'related.name', value: 'x' });
const EVENT: JsonObject = {
  event: 'updated',
  data: { one: 1 },
  unavailable: { data: { big: 'toast', related: 'pending' } },
};
const CREATED: JsonObject = { ...EVENT, event: 'created' };
const NOBODY = { username: null, requestId: null };
const ADMIN = { username: 'admin', requestId: null };

type Case = readonly [
  what: string,
  target: Partial<MatchTarget>,
  context: typeof NOBODY | typeof ADMIN,
  event: JsonObject,
  verdict: object,
];

describe('a webhook', () => {
  it.each<Case>([
    ['fires for anything where it asks for nothing', {}, NOBODY, EVENT, { kind: 'matched' }],
    [
      'does not fire where it requires to know who did it',
      { require: ['username'] },
      NOBODY,
      EVENT,
      { kind: 'not_matched', by: 'require' },
    ],
    ['fires where that is known', { require: ['username'] }, ADMIN, EVENT, { kind: 'matched' }],
    [
      'wants all that it requires',
      { require: ['username', 'request_id'] },
      ADMIN,
      EVENT,
      { kind: 'not_matched', by: 'require' },
    ],
    ['fires where its conditions hold', { conditions: ONE }, NOBODY, EVENT, { kind: 'matched' }],
    [
      'does not where they do not',
      { conditions: TWO },
      NOBODY,
      EVENT,
      { kind: 'not_matched', by: 'conditions' },
    ],
    [
      'does not for an update of other columns than it watches',
      { columns: TWO, conditions: ONE },
      NOBODY,
      EVENT,
      { kind: 'not_matched', by: 'columns' },
    ],
    [
      'watches columns of updates alone',
      { columns: TWO, conditions: ONE },
      NOBODY,
      CREATED,
      { kind: 'matched' },
    ],
    [
      'fails where the result hangs on a value that is not at hand',
      { conditions: BIG },
      NOBODY,
      EVENT,
      { kind: 'failed', reason: 'unavailable' },
    ],
    [
      'fires then, if it is to',
      { conditions: BIG, onUnavailable: 'fire' },
      NOBODY,
      EVENT,
      { kind: 'matched' },
    ],
    [
      'or does not, if it is not to',
      { conditions: BIG, onUnavailable: 'skip' },
      NOBODY,
      EVENT,
      { kind: 'not_matched', by: 'on_unavailable' },
    ],
    [
      'waits for a related row, whatever is to be done without a value',
      { conditions: RELATED, onUnavailable: 'fire' },
      NOBODY,
      EVENT,
      { kind: 'pending' },
    ],
  ])('%s', (_, target, context, event, verdict) => {
    expect(decide({ ...ANYTHING, ...target }, context, () => viewOfEvent(event))).toMatchObject(verdict);
  });
});
