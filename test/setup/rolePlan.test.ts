import { describe, expect, it } from 'vitest';
import { planHelperRights, planRole } from '../../src/setup/rolePlan.ts';
import { tableState } from './states.ts';

const tables = [tableState('orders'), tableState('Odd', { schema: 'sales' })];
const wish = { role: 'walhook', database: 'app', provider: 'self' as const, tables };

describe('the role of run', () => {
  it('gets LOGIN, REPLICATION and SELECT on what is published, and owns nothing', () => {
    const sql = planRole(wish).join('\n');
    expect(sql).toContain('create role walhook login replication');
    expect(sql).toContain('grant usage on schema sales to walhook;');
    expect(sql).toContain('grant select on sales."Odd" to walhook;');
    // That comes after the helper schema was made.
    expect(sql).not.toContain('schema walhook');
    expect(planHelperRights('walhook').join('\n')).toContain('grant usage on schema walhook to walhook;');
    expect(sql).not.toMatch(/superuser|createrole|createdb|owner/i);
  });

  it('gets replication in the way of its provider', () => {
    const sql = planRole({ ...wish, provider: 'rds' }).join('\n');
    expect(sql).not.toContain('login replication');
    expect(sql).toContain('GRANT rds_replication TO walhook;');
  });
});
