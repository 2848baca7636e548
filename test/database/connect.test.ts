import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterEach, describe, expect, it, vi } from 'vitest';
import {
  clientOptions,
  connectionError,
  NO_TLS,
  type PostgresTarget,
  splitTls,
} from '../../src/database/connect.ts';

const BASE = 'postgres://user:pw@db.example:5433/app';

afterEach(() => {
  vi.unstubAllEnvs();
});

describe('the TLS mode', () => {
  it.each([
    ['of the configuration first', `${BASE}?sslmode=disable`, 'verify-full', 'require', 'verify-full'],
    ['then of the URL', `${BASE}?sslmode=require`, null, 'disable', 'require'],
    ['then of PGSSLMODE', BASE, null, 'verify-ca', 'verify-ca'],
    ['is prefer else', BASE, null, undefined, 'prefer'],
    ['of PGSSLMODE without a URL', null, null, 'require', 'require'],
  ] as const)('is that %s', (_what, url, mode, env, expected) => {
    vi.stubEnv('PGSSLMODE', env);
    expect(splitTls(url, { ...NO_TLS, mode }).mode).toBe(expected);
  });

  it('is refused when it is none, with those that are', () => {
    expect(() => splitTls(`${BASE}?sslmode=on`, NO_TLS)).toThrow(
      expect.objectContaining({
        code: 'CONFIG_INVALID',
        message: expect.stringMatching(/disable, allow, prefer.*found on$/),
      }),
    );
  });

  it('and its files are taken out of the URL, and what else stands there stays', () => {
    const url = `${BASE}?sslmode=require&sslrootcert=/ca&sslcert=/c&sslkey=/k&application_name=x&options=-c%20a%3Db`;
    const { connectionString, files } = splitTls(url, NO_TLS);
    expect(connectionString).toBe(`${BASE}?application_name=x&options=-c+a%3Db`);
    expect(files).toEqual({ ca: '/ca', cert: '/c', key: '/k' });
    expect(splitTls(url, { mode: null, ca: '/other', cert: null, key: null }).files.ca).toBe('/other');
  });

  it('leaves a text that is no URL to the client library', () => {
    expect(splitTls('host=db user=x', NO_TLS).connectionString).toBe('host=db user=x');
    expect(splitTls(null, NO_TLS).connectionString).toBeNull();
  });
});

describe('what is tried', () => {
  const choices = async (
    mode: NonNullable<PostgresTarget['tls']['mode']>,
    files: Partial<PostgresTarget['tls']> = {},
  ) => {
    const target: PostgresTarget = { url: () => BASE, tls: { ...NO_TLS, ...files, mode }, role: 'watched' };
    const { tlsChoices } = await clientOptions(target);
    return tlsChoices.map((choice) =>
      choice === false
        ? 'plain'
        : choice.rejectUnauthorized === false
          ? 'unverified'
          : 'checkServerIdentity' in choice
            ? 'verified'
            : 'verified with name',
    );
  };

  it.each([
    ['disable', ['plain']],
    ['allow', ['plain', 'unverified']],
    ['prefer', ['unverified', 'plain']],
    ['require', ['unverified']],
    ['verify-ca', ['verified']],
    ['verify-full', ['verified with name']],
  ] as const)('for %s: %j', async (mode, expected) => {
    expect(await choices(mode)).toEqual(expected);
  });

  it('for require with a CA file is what verify-ca is, as libpq has it', async () => {
    const folder = await mkdtemp(path.join(tmpdir(), 'walhook-test-'));
    try {
      const ca = path.join(folder, 'ca.pem');
      await writeFile(ca, 'PEM');
      expect(await choices('require', { ca })).toEqual(['verified']);
      expect(await choices('prefer', { ca })).toEqual(['unverified', 'plain']);
    } finally {
      await rm(folder, { recursive: true });
    }
  });

  it('is nothing where a file cannot be read, and the error names it', async () => {
    await expect(choices('verify-full', { ca: '/nowhere/ca.pem' })).rejects.toMatchObject({
      code: 'CONFIG_INVALID',
      message: expect.stringContaining('/nowhere/ca.pem (ENOENT)'),
    });
  });

  it('reads the URL anew each time', async () => {
    let password = 'first';
    const target: PostgresTarget = {
      url: () => `postgres://u:${password}@h/d`,
      tls: NO_TLS,
      role: 'watched',
    };
    expect((await clientOptions(target)).config.connectionString).toContain('first');
    password = 'second';
    expect((await clientOptions(target)).config.connectionString).toContain('second');
  });
});

describe('a failed connection', () => {
  const target = (role: PostgresTarget['role']): PostgresTarget => ({ url: () => BASE, tls: NO_TLS, role });
  const failed = (code: string | undefined, message = 'no') =>
    Object.assign(new Error(message), code === undefined ? {} : { code });

  it.each([
    ['28P01', 'watched', 'POSTGRES_AUTHENTICATION'],
    ['28000', 'watched', 'POSTGRES_AUTHENTICATION'],
    ['3D000', 'watched', 'POSTGRES_AUTHENTICATION'],
    ['ECONNREFUSED', 'watched', 'POSTGRES_UNREACHABLE'],
    ['53300', 'watched', 'POSTGRES_UNREACHABLE'],
    [undefined, 'watched', 'POSTGRES_UNREACHABLE'],
    ['28P01', 'queue', 'QUEUE_UNREACHABLE'],
    ['ECONNREFUSED', 'queue', 'QUEUE_UNREACHABLE'],
  ] as const)('with %s of the %s server is %s', (code, role, expected) => {
    const error = connectionError(failed(code), target(role), { connectionString: BASE });
    expect(error.code).toBe(expected);
    expect(error.message).toContain('user@db.example:5433/app');
    expect(error.message).not.toContain('pw');
  });

  it('says what was found, once', () => {
    const found = (error: unknown) =>
      connectionError(error, target('watched'), { connectionString: BASE }).message.split('found: ')[1];
    expect(found(failed('ECONNREFUSED', 'connect ECONNREFUSED 1.2.3.4:5'))).toBe(
      'connect ECONNREFUSED 1.2.3.4:5',
    );
    expect(found(failed('57P03', 'starting up\nDETAIL: x'))).toBe('starting up (57P03)');
    expect(
      found(new AggregateError([failed('ECONNREFUSED', 'connect ::1'), failed('ECONNREFUSED', '127')])),
    ).toBe('connect ::1 (ECONNREFUSED)');
    expect(found('text')).toBe('text');
  });
});
