/** 8, 9 and 10: receivers that are dead, slow or erratic, and Events that no request can be made of. */
import { describe, expect, it } from 'vitest';
import { freePort } from '../../src/demo/embeddedPostgres.ts';
import { openHostile } from '../helpers/hostileReceiver.ts';
import { openStore } from '../helpers/stores.ts';
import { until } from '../helpers/until.ts';
import { openScenario, type Scenario, untilCapturing } from './fixture.ts';

const EVENTS = { models: ['op'], events: ['created'] };

/** Deliveries that ended as failed, with what the first says of why. */
async function failedOf(scenario: Scenario, webhook: string): Promise<{ count: number; error: string }> {
  const store = await openStore(await scenario.queueSection());
  try {
    const { items } = await store.deliveries.list({ webhook, state: 'failed' }, { limit: 100, cursor: null });
    return { count: items.length, error: items[0]?.error ?? '' };
  } finally {
    await store.close();
  }
}

describe('8: a receiver that is dead and one that hangs, among ten', () => {
  it('delay themselves alone', async () => {
    await using hanging = await openHostile('says nothing');
    const sick = [
      { ...EVENTS, name: 'dead', url: `http://127.0.0.1:${await freePort()}/` },
      { ...EVENTS, name: 'hanging', url: hanging.origin, timeout: '25s' },
    ];
    await using scenario = await openScenario({
      webhooks: (url) => [
        ...sick,
        ...Array.from({ length: 8 }, (_, i) => ({ ...EVENTS, name: `well-${i}`, url: `${url}${i}` })),
      ],
    });
    const daemon = scenario.daemon();
    await untilCapturing(daemon);
    const startedMs = performance.now();
    await scenario.commit(50);
    await until(() => scenario.sink.received.length === 8 * 50, { timeoutMs: 20_000 });
    // Before the first request that hangs has timed out.
    expect(performance.now() - startedMs).toBeLessThan(20_000);
    const store = await openStore(await scenario.queueSection());
    try {
      const counts = await store.counts();
      for (const name of ['dead', 'hanging']) {
        const { waiting = 0, delayed = 0, active = 0, deliveredTotal } = counts.get(name) ?? {};
        expect({ owed: waiting + delayed + active, deliveredTotal }).toEqual({ owed: 50, deliveredTotal: 0 });
      }
    } finally {
      await store.close();
    }
  });
});

describe('9: a receiver that flaps', () => {
  it('gets everything in the end, whatever it answered before', { timeout: 120_000 }, async () => {
    await using scenario = await openScenario({
      webhook: { timeout: '1s', retry: { schedule: Array.from({ length: 30 }, () => '200ms') } },
    });
    const seen = new Map<string, number>();
    scenario.sink.answerWith(({ headers }, response) => {
      const id = String(headers['webhook-id']);
      const attempt = (seen.get(id) ?? 0) + 1;
      seen.set(id, attempt);
      // Half of them: of more, the receiver would be taken as down and left alone for a while.
      const kind = attempt === 1 ? seen.size % 10 : -1;
      if (kind === 0) response.writeHead(500).end('no');
      else if (kind === 1) response.writeHead(429, { 'retry-after': '1' }).end();
      else if (kind === 2) response.destroy();
      else if (kind === 3) setTimeout(() => response.end('late'), 2_000);
      else if (kind === 4) response.writeHead(503, { 'retry-after': new Date().toUTCString() }).end();
      else response.end('ok');
    });
    const daemon = scenario.daemon();
    await untilCapturing(daemon);
    await scenario.commit(30);
    await scenario.rollBack(3);
    // The ledger knows arrivals; the queue knows what was accepted.
    const store = await openStore(await scenario.queueSection());
    try {
      await until(async () => (await store.counts()).get('ops')?.deliveredTotal === 30, {
        timeoutMs: 90_000,
        what: daemon.output().slice(-2_000),
      });
    } finally {
      await store.close();
    }
    await scenario.untilComplete();
    expect(scenario.verdict().repeats).toBeGreaterThan(0);
  });
});

describe('10: an Event that no request can be made of', () => {
  it('ends as a failed Delivery with its reason, and the stream goes on', async () => {
    await using scenario = await openScenario({
      webhooks: (url) => [
        {
          ...EVENTS,
          name: 'ops',
          url,
          body_template: '{{ data.note.split(",")[9].strip() }}',
          undefined: 'strict',
        },
        { ...EVENTS, name: 'condition', url, conditions: { attr: 'missing.path', value: 1 } },
        { ...EVENTS, name: 'header', url: `${url}plain`, additional_headers: 'X-Note: {{ data.note }}' },
        { ...EVENTS, name: 'all', url: `${url}all` },
      ],
    });
    const daemon = scenario.daemon();
    await untilCapturing(daemon);
    const notes = ['plain', '\u2028\u0001\u{1F418}', '"\\', 'a\r\nX-Evil: 1', '{{ 7 * 7 }}'];
    for (const [i, note] of notes.entries()) {
      await scenario.database.client.query('insert into op values ($1, 0, $2)', [9_000 + i, note]);
    }
    await scenario.database.client.query("insert into op values (9999, 0, repeat('x', 2000000))");
    const at = (path: string) => scenario.sink.received.filter((one) => one.path === path);
    await until(() => at('/all').length === notes.length + 1, { what: daemon.output().slice(-2_000) });
    const all = at('/all').map(({ body }) => JSON.parse(body) as { data: { id: number; note?: string } });
    expect(new Map(all.map(({ data }) => [data.id, data.note]))).toEqual(
      new Map([...notes.map((note, i) => [9_000 + i, note] as const), [9_999, undefined] as const]),
    );
    expect(at('/plain').every(({ headers }) => headers['x-evil'] === undefined)).toBe(true);
    await until(async () => (await failedOf(scenario, 'ops')).count === notes.length + 1);
    await until(async () => (await failedOf(scenario, 'condition')).count === notes.length + 1);
    expect((await failedOf(scenario, 'ops')).error).not.toBe('');
    expect((await failedOf(scenario, 'condition')).error).not.toBe('');
    expect(daemon.hasEnded()).toBe(false);
  });
});
