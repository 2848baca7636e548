import { describe, expect, it } from 'vitest';
import { durabilityOf, readFacts, unsuitable, warnings } from '../../src/queue/redis/suitability.ts';

const info = (version: string, policy: string, aof = '1') =>
  `# Server\r\nredis_version:${version}\r\n# Memory\r\nmaxmemory:0\r\nmaxmemory_policy:${policy}\r\n# Persistence\r\naof_enabled:${aof}\r\n`;

describe('a Redis', () => {
  it.each([
    ['6.2.0', 'noeviction', true, null],
    ['8.0.1', 'noeviction', true, null],
    ['6.0.16', 'noeviction', true, 'QUEUE_SERVER_OLD'],
    ['5.0.0', 'noeviction', false, 'QUEUE_SERVER_OLD'],
    ['7.4.0', 'allkeys-lru', true, 'QUEUE_EVICTS'],
    ['7.4.0', 'volatile-ttl', true, 'QUEUE_EVICTS'],
    ['7.4.0', 'allkeys-lru', false, null],
    ['', '', true, null],
  ])('of version %s with %s is judged', (version, policy, requires, code) => {
    expect(unsuitable(readFacts(info(version, policy)), requires)?.code ?? null).toBe(code);
  });

  it('without append-only file is warned of', () => {
    expect(warnings(readFacts(info('7.0.0', 'noeviction', '0')))).toHaveLength(1);
    expect(warnings(readFacts(info('7.0.0', 'noeviction')))).toEqual([]);
  });
});

describe('what is acknowledged on a Redis', () => {
  it.each<[string, string, string, boolean, { isConfirmed: boolean; ackDelayMs: number }, string]>([
    ['7.4.0', '0', 'everysec', true, { isConfirmed: false, ackDelayMs: 0 }, 'none'],
    ['7.2.0', '1', 'everysec', true, { isConfirmed: true, ackDelayMs: 0 }, 'WAITAOF'],
    // Valkey says that it is a Redis 7.2.4.
    ['7.2.4', '1', 'everysec', true, { isConfirmed: true, ackDelayMs: 0 }, 'WAITAOF'],
    ['8.0.0', '1', '', true, { isConfirmed: true, ackDelayMs: 0 }, 'WAITAOF'],
    ['10.0.0', '1', 'everysec', true, { isConfirmed: true, ackDelayMs: 0 }, 'WAITAOF'],
    ['7.2.0', '1', 'everysec', false, { isConfirmed: false, ackDelayMs: 2_000 }, '2 s later'],
    ['7.0.15', '1', 'everysec', false, { isConfirmed: false, ackDelayMs: 2_000 }, '2 s later'],
    ['6.2.0', '1', '', false, { isConfirmed: false, ackDelayMs: 2_000 }, '2 s later'],
    ['7.2.0', '1', 'always', true, { isConfirmed: false, ackDelayMs: 0 }, 'before each answer'],
    ['7.2.0', '1', 'no', true, { isConfirmed: false, ackDelayMs: 30_000 }, '30 s later'],
  ])('of version %s, appendonly %s, appendfsync %s, WAITAOF %s', (version, aof, fsync, knows, rests, note) => {
    const found = durabilityOf(readFacts(info(version, 'noeviction', aof)), fsync, knows);
    expect(found).toMatchObject({ ...rests, note: expect.stringContaining(note) });
    // What people are told to mend begins with that word.
    expect(found.note.startsWith('none')).toBe(aof === '0');
  });
});
