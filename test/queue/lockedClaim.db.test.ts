/** What a lock in the queue's PostgreSQL holds up, and what it must not. PostgreSQL alone has locks that last. */
import { describe, expect, it } from 'vitest';
import { until } from '../helpers/until.ts';
import { deliveriesAt, prepareStore } from './stores.ts';

describe('a claim behind a lock', () => {
  it('is ended by the server before it is given up, and takes nothing when the lock is gone', async () => {
    await using queue = await prepareStore('postgres');
    const query = queue.query ?? expect.fail('no PostgreSQL');
    await queue.flush({ w: deliveriesAt(1, 3) });
    await query('begin');
    await query(`lock table ${queue.prefix}_queue.job in access exclusive mode`);
    await expect(queue.claim('w')).rejects.toMatchObject({ code: 'QUEUE_UNREACHABLE' });
    const waiting = await query(
      `select pid from pg_locks where not granted and relation = '${queue.prefix}_queue.job'::regclass`,
    );
    expect(waiting).toMatchObject({ rowCount: 0 });
    await query('rollback');
    await until(async () => (await queue.claim('w', 'p2')).length === 1);
  });
});

describe("capture's statements behind a lock", () => {
  it('hold up neither the heartbeats of deliver nor its look at the other processes', async () => {
    await using queue = await prepareStore('postgres');
    const query = queue.query ?? expect.fail('no PostgreSQL');
    await queue.store.heartbeat('p1', 10_000);
    await query('begin');
    await query(`lock table ${queue.prefix}_queue.note in access exclusive mode`);
    // As many as capture and the commands have connections.
    const notes = ['a', 'b'].map((key) => queue.store.putNote(key, 'x'));
    await until(async () => {
      const table = `'${queue.prefix}_queue.note'::regclass`;
      const waiting = await query(`select from pg_locks where not granted and relation = ${table}`);
      return (waiting as { readonly rowCount: number }).rowCount === 2;
    });
    await queue.store.heartbeat('p1', 10_000);
    expect(await queue.store.workers()).toMatchObject([{ process: 'p1' }]);
    await query('rollback');
    expect(await Promise.all(notes)).toEqual([true, true]);
  });
});
