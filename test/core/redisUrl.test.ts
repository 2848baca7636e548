import { describe, expect, it } from 'vitest';
import { parseRedisUrl } from '../../src/core/redisUrl.ts';
import { maskUrl } from '../../src/core/secret.ts';

const NOBODY = { username: null, password: null };
const DEFAULTS = { credentials: NOBODY, sentinel: NOBODY, database: 0, master: '', isTls: false };
const S = { kind: 'sentinel', master: 'mymaster' };

describe('a URL of a Redis', () => {
  it.each([
    ['redis://cache', { kind: 'server', nodes: [{ host: 'cache', port: 6379 }] }],
    [
      'rediss://u:p%40@[::1]:7000/3',
      {
        ...{ kind: 'server', isTls: true, database: 3, nodes: [{ host: '::1', port: 7000 }] },
        credentials: { username: 'u', password: 'p@' },
      },
    ],
    [
      'redis+sentinel://a:1,b,[fe80::1]:3/mymaster',
      {
        ...S,
        nodes: [
          { host: 'a', port: 1 },
          { host: 'b', port: 26379 },
          { host: 'fe80::1', port: 3 },
        ],
      },
    ],
    [
      'rediss+sentinel://u:p%2Cw@a/mymaster/2?sentinel_username=su&sentinel_password=s%26p',
      {
        ...{ ...S, isTls: true, database: 2, nodes: [{ host: 'a', port: 26379 }] },
        credentials: { username: 'u', password: 'p,w' },
        sentinel: { username: 'su', password: 's&p' },
      },
    ],
    [
      'redis+cluster://:pw@a:7000,b:7001/0',
      {
        kind: 'cluster',
        nodes: [
          { host: 'a', port: 7000 },
          { host: 'b', port: 7001 },
        ],
        credentials: { username: null, password: 'pw' },
      },
    ],
    ['rediss+cluster://a', { kind: 'cluster', isTls: true, nodes: [{ host: 'a', port: 6379 }] }],
  ])('%s is read', (url, expected) => {
    expect(parseRedisUrl(url)).toEqual({ ...DEFAULTS, ...expected });
  });

  it.each([
    ['redis://a:1,b:2', 'several Sentinels'],
    ['redis://a,b', 'several Sentinels'],
    ['redis+sentinel://a,b', "the master's name"],
    ['redis+sentinel://a/my%20master', "the master's name"],
    ['redis+sentinel://a/%E0%A4%A', 'written as %25'],
    ['redis+sentinel:///mymaster', 'host or host:port'],
    ['redis+sentinel://a,,b/mymaster', 'host or host:port'],
    ['redis+sentinel://a:0/mymaster', 'ports between'],
    ['redis+sentinel://a:99999/mymaster', 'ports between'],
    ['redis+sentinel://a/mymaster/x', "a database's number"],
    ['redis+sentinel://a/mymaster/0/1', 'nothing after'],
    ['redis+sentinel://hunter2@a/mymaster', ':password@'],
    ['redis+sentinel://:hunt/er2@a/mymaster', 'host or host:port'],
    ['redis+sentinel://:hunt@er2@a/mymaster', '%40'],
    ['redis+sentinel://a/mymaster?password=hunter2', 'no parameters but'],
    ['redis+sentinel://a/mymaster?sentinel_username=hunter2', 'a sentinel_password'],
    ['redis+sentinel://a/mymaster#hunter2', '%23'],
    ['redis+cluster://a/1', 'database 0'],
    ['redis+cluster://a?x=hunter2', 'no parameters'],
    ['redis+other://a', 'redis://'],
    [`redis+cluster://${Array.from({ length: 65 }, () => 'a').join(',')}`, 'at most 64'],
  ])('%s is refused, and nothing of it is told', (url, expected) => {
    const found = () => parseRedisUrl(url);
    expect(found).toThrow(
      expect.objectContaining({ code: 'CONFIG_INVALID', message: expect.stringContaining(expected) }),
    );
    expect(found).toThrow(expect.objectContaining({ message: expect.not.stringMatching(/hunt|er2/) }));
  });

  it.each([
    'redis+sentinel://u:hunter2@a,b/mymaster?sentinel_password=hunter2',
    'redis+sentinel://:hunter/2@a/mymaster',
    'redis+cluster://:x@hunter2@a',
    'rediss+sentinel://a/mymaster?x=hunter2&hunter2#hunter2',
  ])('%s is shown without its passwords', (url) => {
    expect(maskUrl(url)).not.toContain('hunter2');
    expect(maskUrl(url)).toMatch(/^rediss?\+(sentinel|cluster):/);
  });
});
