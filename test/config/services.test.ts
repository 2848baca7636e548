import { afterEach, describe, expect, it, vi } from 'vitest';
import { loadConfig } from '../../src/config/load.ts';
import { servicesOf } from '../../src/services.ts';

const WATCHED = 'postgres://u:pw@db.example:5432/app';

function services(
  queueUrl: string,
  more: { readonly watched?: string | null; readonly allowed?: boolean } = {},
) {
  const { watched = WATCHED, allowed = false } = more;
  const postgres = watched === null ? {} : { url: watched };
  const text = JSON.stringify({ postgres, queue: { url: queueUrl, same_database: allowed } });
  const env = watched === null ? { PGHOST: 'db.example', PGDATABASE: 'app' } : {};
  // What the client library connects to is said by the process's own environment.
  for (const [name, value] of Object.entries(env)) vi.stubEnv(name, value);
  const { loaded } = loadConfig(text, { source: { env, readFile: () => '' } });
  if (loaded === null) throw new Error('not a configuration');
  return servicesOf(loaded);
}
afterEach(() => {
  vi.unstubAllEnvs();
});

const refused = expect.objectContaining({ code: 'QUEUE_IN_WATCHED_DATABASE' });

describe('a queue', () => {
  it.each([
    ['the same URL', WATCHED],
    ['another user', 'postgres://queue:x@db.example:5432/app'],
    ['the default port left out', 'postgresql://u@db.example/app'],
    ['other parameters', `${WATCHED}?sslmode=require`],
  ])('in the watched database is refused: %s', (_what, url) => {
    expect(() => services(url)).toThrow(refused);
    expect(() => services(url, { allowed: true })).not.toThrow();
  });

  it.each([
    ['another database', 'postgres://u@db.example:5432/queue'],
    ['another server', 'postgres://u@other.example:5432/app'],
    ['another port', 'postgres://u@db.example:5433/app'],
    ['Redis', 'redis://db.example:5432/0'],
  ])('elsewhere is not: %s', (_what, url) => {
    expect(() => services(url)).not.toThrow();
  });

  it.each([
    ['by the socket', { watched: 'postgres:///app?host=/var/run/postgresql' }, 'postgres://u@localhost/app'],
    ['by another name of the host', { watched: 'postgres://u@localhost/app' }, 'postgres://u@127.0.0.1/app'],
    ['in other letters', {}, 'postgres://u@DB.Example:5432/app'],
    ['with an escape', {}, 'postgres://u@db.example:5432/%61pp'],
    ['which PGHOST names', { watched: null }, 'postgres://u@db.example/app'],
  ])('in the watched database is refused %s', (_what, more, url) => {
    expect(() => services(url, more)).toThrow(refused);
  });

  it('names neither password nor user where it is refused', () => {
    expect(() => services(WATCHED)).toThrow(
      expect.objectContaining({ message: expect.not.stringMatching(/pw|u:|u@/) }),
    );
  });
});
