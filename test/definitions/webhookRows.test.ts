import { describe, expect, it } from 'vitest';
import { loadConfig } from '../../src/config/load.ts';
import { SILENT } from '../../src/core/logger.ts';
import type { RowImages, Tuple } from '../../src/decode/messages.ts';
import { UNCHANGED } from '../../src/decode/messages.ts';
import { readPublished } from '../../src/definitions/published.ts';
import { RowTargets } from '../../src/definitions/rowTargets.ts';
import { MAX_ROWS, WebhookRows } from '../../src/definitions/webhookRows.ts';
import { defineWebhooks } from '../../src/definitions/webhooks.ts';
import { Matcher } from '../../src/match/match.ts';

const { loaded } = loadConfig(
  JSON.stringify({
    postgres: { url: 'postgres://h/d' },
    queue: { url: 'redis://h' },
    secrets: { ours: 'x' },
    webhooks: [{ name: 'of the file', models: ['orders'], events: ['created'], url: 'https://a/' }],
  }),
  { source: { env: {}, readFile: () => '' } },
);
if (loaded === null) throw new Error('the configuration is wrong');
const { config } = loaded;
const log = SILENT;

function rowsFrom(definitions: string | null = null, generation = 'aaaaaaaa'): WebhookRows {
  return new WebhookRows({
    config,
    webhooks: defineWebhooks(config),
    definitions,
    generation,
    matcherOf: (webhooks) => new Matcher(webhooks.map(({ match }) => match)),
    onInForce: () => undefined,
    log,
  });
}

const COLUMNS = ['id', 'name', 'enabled', 'models', 'events', 'url', 'conditions', 'created_at'].map(
  (name) => ({
    name,
  }),
);
type Text = string | null | typeof UNCHANGED;
const text = (id: number, name: string, more: Readonly<Record<string, Text>> = {}): Text[] => {
  const values: Record<string, Text> = {
    id: `${id}`,
    name,
    enabled: 't',
    models: '{orders}',
    events: '{created}',
    url: 'https://b/',
    conditions: null,
    created_at: 'now',
    ...more,
  };
  return COLUMNS.map((column) => values[column.name] ?? null);
};
const tuple = (texts: Text[]): Tuple => ({
  columnCount: texts.length,
  text: (i) => texts[i] ?? null,
  byteLength: (i) => String(texts[i] ?? '').length,
});
const insert = (now: Text[]): RowImages => ({ old: { kind: 'none' }, new: tuple(now) });
const update = (old: Text[], now: Text[]): RowImages => ({
  old: { kind: 'full', tuple: tuple(old) },
  new: tuple(now),
});
const remove = (old: Text[]): RowImages => ({ old: { kind: 'full', tuple: tuple(old) }, new: null });
const inForce = (rows: WebhookRows) =>
  rows
    .current()
    .matcher.targets('orders', 'created')
    .map(({ name }) => name);

describe('webhooks kept as rows', () => {
  it('come, change and go as the stream tells', () => {
    const rows = rowsFrom();
    rows.accept(COLUMNS, insert(text(1, 'a')));
    expect(inForce(rows)).toEqual(['of the file', 'a']);
    rows.accept(COLUMNS, update(text(1, 'a'), text(1, 'a', { events: '{deleted}' })));
    expect(inForce(rows)).toEqual(['of the file']);
    rows.accept(COLUMNS, update(text(1, 'a', { events: '{deleted}' }), text(7, 'a')));
    expect(inForce(rows)).toEqual(['of the file', 'a']);
    rows.accept(COLUMNS, remove(text(7, 'a')));
    expect(inForce(rows)).toEqual(['of the file']);
    rows.accept(COLUMNS, insert(text(8, 'b')));
    rows.clear();
    expect(inForce(rows)).toEqual(['of the file']);
  });

  it('keep a large value that an update did not change', () => {
    const rows = rowsFrom();
    const conditions = '{"attr": "n", "value": 12345678901234567890}';
    rows.accept(COLUMNS, insert(text(1, 'a', { conditions })));
    rows.accept(COLUMNS, update(text(1, 'a', { conditions }), text(1, 'b', { conditions: UNCHANGED })));
    const { definitions } = rows.current();
    expect(definitions).toContain('"value":12345678901234567890');
    expect(readPublished(definitions).rows).toMatchObject([{ values: { name: 'b' } }]);
  });

  it('are the same after they were stored and read again, keys and all', () => {
    const rows = rowsFrom();
    for (const [id, name] of [
      [1, 'a b'],
      [2, 'a-b'],
      [3, 'of the file'],
    ] as const) {
      rows.accept(COLUMNS, insert(text(id, name)));
    }
    const { definitions } = rows.current();
    expect(rowsFrom(definitions).current().definitions).toBe(definitions);
    const [first, second, third] = readPublished(definitions).rows;
    expect(first?.key).toBe('a-b');
    expect(second?.key).not.toBe('a-b');
    expect(third).toMatchObject({ key: 'of-the-file', problems: [expect.stringContaining('of its own')] });
  });

  it('of another line of history are forgotten, their keys are not', () => {
    const rows = rowsFrom();
    rows.accept(COLUMNS, insert(text(1, 'a')));
    const other = rowsFrom(rows.current().definitions, 'bbbbbbbb');
    expect(inForce(other)).toEqual(['of the file']);
    expect(readPublished(other.current().definitions).keys.get('a')).toBe('a');
  });

  it('say nothing of secrets in what is stored', () => {
    const rows = rowsFrom();
    rows.accept([...COLUMNS, { name: 'secret_name' }], insert([...text(1, 'a'), 'ours']));
    const { definitions } = rows.current();
    expect(definitions).toContain('"secret_name":"ours"');
    expect(definitions).not.toContain('"x"');
  });

  it('are bounded in number', () => {
    const rows = rowsFrom();
    for (let id = 0; id <= MAX_ROWS; id += 1) rows.accept(COLUMNS, insert(text(id, `row ${id}`)));
    expect(inForce(rows)).toHaveLength(1 + MAX_ROWS);
    expect(readPublished(rows.current().definitions).rows.at(-1)?.problems?.[0]).toMatch(/at most 1000/);
  });

  it('change one by one where requests are made of them', () => {
    const rows = rowsFrom();
    rows.accept(COLUMNS, insert(text(1, 'a')));
    rows.accept(COLUMNS, insert(text(2, 'b')));
    const targets = new RowTargets(config, log);
    expect(targets.read(rows.current().definitions)).toBe(true);
    expect(targets.read(rows.current().definitions)).toBe(false);
    const [a, b] = targets.targets();
    rows.accept(COLUMNS, update(text(1, 'a'), text(1, 'a', { url: 'https://c/' })));
    targets.read(rows.current().definitions);
    const now = new Map(targets.targets().map((target) => [target.key, target]));
    const [changed, same] = [now.get('a'), now.get('b')];
    expect([changed === a, same === b, changed?.origin]).toEqual([false, true, 'https://c']);
    expect(targets.brake(new Set(['1']))).toBe(true);
    expect(targets.targets().map(({ key }) => key)).toEqual(['b']);
    rows.accept(COLUMNS, update(text(2, 'b'), text(2, 'b', { enabled: 'f' })));
    targets.read(rows.current().definitions);
    expect({ targets: targets.targets(), keys: targets.keys }).toEqual({ targets: [], keys: ['a', 'b'] });
  });
});
