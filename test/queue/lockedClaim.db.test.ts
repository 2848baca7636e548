/** A claim that was given up takes nothing afterwards: who would send it knows nothing of it. PostgreSQL alone has locks that last. */
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
