import { describe, expect, it } from 'vitest';
import {
  isPoolerHost,
  type Provider,
  providerNote,
  replicationRemedy,
  walLevelRemedy,
  walLimitRemedy,
} from '../../src/setup/provider.ts';

const MANAGED: readonly Provider[] = ['rds', 'aurora', 'cloudsql', 'azure', 'supabase', 'neon'];

describe('a managed server', () => {
  it.each(MANAGED)('%s is never told to ALTER SYSTEM, which needs a superuser', (provider) => {
    for (const remedy of [
      walLevelRemedy(provider),
      walLimitRemedy(provider),
      replicationRemedy(provider, 'w'),
    ]) {
      expect(remedy).not.toContain('ALTER SYSTEM');
      expect(remedy).not.toContain('as superuser');
    }
  });

  it('gets replication in the way of its provider', () => {
    expect(replicationRemedy('rds', 'walhook')).toContain('GRANT rds_replication TO walhook;');
    expect(replicationRemedy('self', 'Odd "x"')).toContain('ALTER ROLE "Odd ""x""" REPLICATION;');
    expect(walLevelRemedy('cloudsql')).toContain('cloudsql.logical_decoding=on');
  });

  it('has its traps told where it has some', () => {
    expect(MANAGED.filter((provider) => providerNote(provider) !== null)).toEqual([
      'rds',
      'aurora',
      'azure',
      'supabase',
      'neon',
    ]);
    expect(providerNote('self')).toBeNull();
  });
});

describe('a pooler', () => {
  it.each([
    ['postgres://u@aws-0-eu.pooler.supabase.com:5432/d', true],
    ['postgres://u@ep-cool-1-pooler.eu.aws.neon.tech/d', true],
    ['postgres://u@db.abc.supabase.co:6543/d', true],
    ['postgres://u@bouncer:6432/d', true],
    ['postgres://u@db.abc.supabase.co:5432/d', false],
    ['postgres://u@spooler.example.com/d', false],
    ['not a url', false],
  ])('is told by host and port of %s: %s', (url, isPooler) => {
    expect(isPoolerHost(url)).toBe(isPooler);
  });
});
