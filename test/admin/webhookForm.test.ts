import { describe, expect, it } from 'vitest';
import { fieldOf, fieldsOf, fieldsSent, valuesOf } from '../../src/admin/webhookForm.ts';
import type { RowValues } from '../../src/definitions/rowStore.ts';

const FULL: RowValues = {
  name: 'orders',
  enabled: false,
  models: ['orders', '*'],
  events: ['created', 'truncated'],
  url: 'https://a.com/{{ model }}',
  conditions: {
    and: [
      { attr: 'n', value: 12345678901234567890n },
      { attr: 'x', op: 'changed' },
    ],
  },
  columns: ['a', 'b'],
  require: ['username'],
  collapse: false,
  http_method: 'PUT',
  additional_headers: 'A: 1\nB: {{ x }}',
  body_template: ' {{ data }}\n',
  allow_templated_host: true,
  secret_name: 'slack',
  timeout: '3s',
  retry: { schedule: ['5s', '1m'], max_age: '1d' },
  concurrency: 4,
  rate_limit: { max: 5, per: '1s' },
  brake: { max: 10, per: '1m' },
  backlog: Object.fromEntries([
    ['max', 7],
    ['bytes', '1MiB'],
    ['then', 'hold'],
  ]),
  ordering: 'row',
};

describe('the form of a webhook', () => {
  it('gives back each value that it was made of', () => {
    expect(valuesOf(fieldsOf(FULL))).toEqual({ values: FULL, mistakes: [] });
    expect(valuesOf(fieldsOf({ ...FULL, retry: { schedule: [] } })).values['retry']).toEqual({
      schedule: [],
    });
  });

  it('says nothing where a field is empty', () => {
    expect(valuesOf({ name: 'a', url: ' ', timeout: '', body_template: '' })).toEqual({
      values: { name: 'a', enabled: false, models: [], events: [] },
      mistakes: [],
    });
  });

  it.each([
    ['concurrency', 'many', 'many'],
    ['concurrency', '3', 3],
    ['collapse', 'true', true],
    ['collapse', 'maybe', 'maybe'],
  ])('leaves to the rules what cannot be read: %s %j', (name, text, value) => {
    expect(valuesOf({ [name]: text }).values[name]).toBe(value);
  });

  it('tells where conditions are no YAML', () => {
    const { mistakes } = valuesOf({ conditions: 'and:\n  - {attr: a, value: [}' });
    expect(mistakes).toMatchObject(
      [{ path: 'conditions', message: /line 2, column \d+/ }].map(({ path }) => ({ path })),
    );
    expect(mistakes[0]?.message).toMatch(/line 2, column \d+/);
  });

  it('takes line ends of every browser for one', () => {
    expect(fieldsSent({ body_template: 'a\r\nb', ids: ['1'] })).toEqual({ body_template: 'a\nb' });
  });

  it.each([
    ['conditions.and[0].op', 'conditions'],
    ['retry.schedule[1]', 'retry_schedule'],
    ['retry', 'retry_schedule'],
    ['backlog.then', 'backlog_then'],
    ['events', 'events'],
    ['secret', null],
    ['', null],
  ])('has a field for a mistake at %s', (path, field) => {
    expect(fieldOf(path)).toBe(field);
  });
});
