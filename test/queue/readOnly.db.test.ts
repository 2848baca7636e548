/** A store whose server may only be read, as a standby or in the middle of a failover: it is away, not broken. */
import { Client } from 'pg';
import { describe, expect, it } from 'vitest';
import { openStores } from './openStores.ts';

describe('a store on postgres that may only be read', () => {
  it('counts as one that is not reached, and takes everything when it may be written again', async () => {
    await using stores = await openStores('postgres');
    const { store, fence } = stores;
    const flush = { fence, from: 'pos-0', to: 'pos-1', batches: [], failed: [], definitions: null };
    const admin = new Client({ connectionString: stores.url });
    await admin.connect();
    try {
      const { rows } = await admin.query<{ name: string }>('select current_database() as name');
      const end =
        'select pg_terminate_backend(pid) from pg_stat_activity where datname = current_database() and pid <> pg_backend_pid()';
      await admin.query(`alter database ${rows[0]?.name} set default_transaction_read_only = on`);
      await admin.query(end);
      // The connections that were ended are noticed first.
      await expect
        .poll(() => store.flush(flush).catch((error: Error) => error.message), { timeout: 20_000 })
        .toContain('25006');
      await expect(store.flush(flush)).rejects.toMatchObject({ code: 'QUEUE_UNREACHABLE' });
      await admin.query(`alter database ${rows[0]?.name} reset default_transaction_read_only`);
      await admin.query(end);
      await expect
        .poll(() => store.flush(flush).catch((error: Error) => error.message), { timeout: 20_000 })
        .toBe('done');
    } finally {
      await admin.end();
    }
  });
});
