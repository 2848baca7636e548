import { describe, expect, it } from 'vitest';
import { readFacts, unsuitable, warnings } from '../../src/queue/redis/suitability.ts';

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
