/**
 * Connections to a PostgreSQL: from a URL (or the PG* variables) and libpq's TLS modes to the client
 * library's options. Owns the translation of connection errors into coded ones.
 */
import { readFile } from 'node:fs/promises';
import type { ConnectionOptions } from 'node:tls';
import { Client, type ClientConfig, Pool } from 'pg';
import { causeCode, type ErrorCode, WalhookError } from '../core/errors.ts';
import { TLS_MODES, type TlsMode } from './tlsModes.ts';

export interface PostgresTls {
  /** null: the URL's `sslmode`, else PGSSLMODE, else `prefer`. */
  readonly mode: TlsMode | null;
  /** Paths of PEM files. */
  readonly ca: string | null;
  readonly cert: string | null;
  readonly key: string | null;
}

export interface PostgresTarget {
  /** Read anew for each connection, because a password file may have changed. null: PGHOST and its like. */
  readonly url: () => string | null;
  readonly tls: PostgresTls;
  /** Whose server this is: decides the code of the errors. */
  readonly role: 'watched' | 'queue';
}

export const NO_TLS: PostgresTls = { mode: null, ca: null, cert: null, key: null };

/**
 * Connects, trying what the TLS mode allows in its order. Throws POSTGRES_UNREACHABLE,
 * POSTGRES_AUTHENTICATION or QUEUE_UNREACHABLE with what was found.
 */
export async function connect(target: PostgresTarget, extra: ClientConfig = {}): Promise<Client> {
  const { config, tlsChoices } = await clientOptions(target);
  let refused: unknown;
  for (const ssl of tlsChoices) {
    const client = new Client({ ...config, ...extra, ssl });
    // Without a listener a connection that breaks while idle would end the process.
    client.on('error', () => undefined);
    try {
      await client.connect();
      return client;
    } catch (error) {
      await client.end().catch(() => undefined);
      refused = error;
      if (!mayTryNext(error)) break;
    }
  }
  throw connectionError(refused, target, config);
}

/** The client library's options with TLS settled, by one trial connection where there is a choice. */
export async function settledOptions(
  target: PostgresTarget,
  extra: ClientConfig = {},
): Promise<ClientConfig> {
  const { config, tlsChoices } = await clientOptions(target);
  let ssl = tlsChoices[0];
  if (tlsChoices.length > 1) {
    const client = await connect(target, extra);
    ssl = (client as unknown as { ssl: ConnectionOptions | false }).ssl;
    await client.end();
  }
  return { ...config, ...extra, ...(ssl === undefined ? {} : { ssl }) };
}

/** A pool of at most `max` connections. */
export async function openPool(target: PostgresTarget, max: number, extra: ClientConfig = {}): Promise<Pool> {
  const options = await settledOptions(target, extra);
  const pool = new Pool({ ...options, max, idleTimeoutMillis: 30_000, allowExitOnIdle: true });
  pool.on('error', () => undefined);
  return pool;
}

interface Options {
  readonly config: ClientConfig;
  /** In the order in which they are tried. */
  readonly tlsChoices: readonly (false | ConnectionOptions)[];
}

/** The client library's options for a target. */
export async function clientOptions(target: PostgresTarget): Promise<Options> {
  const text = target.url();
  const { connectionString, mode, files } = splitTls(text, target.tls);
  return {
    config: {
      ...(connectionString === null ? {} : { connectionString }),
      application_name: 'walhook',
      connectionTimeoutMillis: 10_000,
      keepAlive: true,
    },
    tlsChoices: await tlsChoices(mode, files),
  };
}

interface TlsFiles {
  readonly ca: string | null;
  readonly cert: string | null;
  readonly key: string | null;
}

/** Takes libpq's TLS parameters out of a URL: the client library gives some of them another meaning. */
export function splitTls(
  text: string | null,
  tls: PostgresTls,
): { connectionString: string | null; mode: TlsMode; files: TlsFiles } {
  let fromUrl: URLSearchParams | null = null;
  let connectionString = text;
  if (text !== null && URL.canParse(text)) {
    const url = new URL(text);
    fromUrl = new URLSearchParams(url.searchParams);
    for (const name of ['sslmode', 'sslrootcert', 'sslcert', 'sslkey']) url.searchParams.delete(name);
    connectionString = url.toString();
  }
  const wanted = tls.mode ?? fromUrl?.get('sslmode') ?? process.env['PGSSLMODE'] ?? 'prefer';
  const mode = TLS_MODES.find((known) => known === wanted);
  if (mode === undefined) {
    throw new WalhookError(
      'CONFIG_INVALID',
      `postgres.tls.mode: expected one of ${TLS_MODES.join(', ')}, found ${wanted}`,
    );
  }
  return {
    connectionString,
    mode,
    files: {
      ca: tls.ca ?? fromUrl?.get('sslrootcert') ?? null,
      cert: tls.cert ?? fromUrl?.get('sslcert') ?? null,
      key: tls.key ?? fromUrl?.get('sslkey') ?? null,
    },
  };
}

async function tlsChoices(mode: TlsMode, files: TlsFiles): Promise<(false | ConnectionOptions)[]> {
  if (mode === 'disable') return [false];
  const ca = files.ca === null ? {} : { ca: await readPem(files.ca) };
  const own =
    files.cert === null || files.key === null
      ? {}
      : { cert: await readPem(files.cert), key: await readPem(files.key) };
  const base = { ...ca, ...own };
  // "For backwards compatibility … if a root CA file exists, require behaves like verify-ca."
  const effective = mode === 'require' && files.ca !== null ? 'verify-ca' : mode;
  const unverified = { ...base, rejectUnauthorized: false };
  switch (effective) {
    case 'allow':
      return [false, unverified];
    case 'prefer':
      return [unverified, false];
    case 'require':
      return [unverified];
    case 'verify-ca':
      return [{ ...base, rejectUnauthorized: true, checkServerIdentity: () => undefined }];
    case 'verify-full':
      return [{ ...base, rejectUnauthorized: true }];
  }
}

async function readPem(file: string): Promise<string> {
  try {
    return await readFile(file, 'utf8');
  } catch (error) {
    throw new WalhookError('CONFIG_INVALID', `postgres.tls: cannot read ${file} (${causeCode(error)})`, {
      cause: error,
      remedy: 'check the path and that walhook may read the file',
    });
  }
}

/** libpq goes on to the next choice when TLS itself was refused, or a pg_hba.conf line wants the other. */
function mayTryNext(error: unknown): boolean {
  const code = causeCode(error);
  return code === null || code === '28000' || code.startsWith('ERR_SSL') || code.startsWith('ERR_TLS');
}

/** SQLSTATE class 28, "database does not exist" and no CONNECT on it, where the server answered and said no. */
const AUTHENTICATION_STATES = new Set(['28000', '28P01', '3D000', '42501']);

const NO_SUCH_DATABASE = '3D000';

/** The database of the queue is made by hand, once; that of the application is there under another name. */
function remedyOfMissing(role: PostgresTarget['role'], database: string): string {
  return role === 'queue'
    ? `CREATE DATABASE ${/^[a-z_]\w*$/.test(database) ? database : `"${database.replaceAll('"', '""')}"`}; -- or name another in queue.url`
    : 'name a database in postgres.url that is there';
}

/** Translates a failed connection. The message names host, port, database and user, never the password. */
export function connectionError(error: unknown, target: PostgresTarget, config: ClientConfig): WalhookError {
  const state = causeCode(error) ?? '';
  const refused = AUTHENTICATION_STATES.has(state);
  const code: ErrorCode =
    target.role === 'queue'
      ? 'QUEUE_UNREACHABLE'
      : refused
        ? 'POSTGRES_AUTHENTICATION'
        : 'POSTGRES_UNREACHABLE';
  const { host, port, database, user } = new Client(config);
  const where = `${user ?? ''}@${host}:${port}/${database ?? ''}`;
  return new WalhookError(code, `expected a PostgreSQL at ${where}, found: ${reason(error)}`, {
    cause: error,
    ...(state === NO_SUCH_DATABASE ? { remedy: remedyOfMissing(target.role, database ?? '') } : {}),
  });
}

/** Which database a URL (or PGHOST and its like) names, as the client library reads it. */
export interface DatabasePlace {
  readonly host: string;
  readonly port: number;
  readonly database: string;
}

/** All names of this machine are one: `localhost`. */
export function placeOf(url: string | null): DatabasePlace {
  const { connectionString } = splitTls(url, NO_TLS);
  const { host, port, database, user } = new Client(connectionString === null ? {} : { connectionString });
  const name = host.toLowerCase().replace(/^\[(.*)\]$/, '$1');
  const isHere = name === 'localhost' || name === '::1' || /^127\./.test(name) || name.startsWith('/');
  return { host: isHere ? 'localhost' : name, port, database: database ?? user ?? '' };
}

function reason(error: unknown): string {
  if (error instanceof AggregateError && error.errors.length > 0) return reason(error.errors[0]);
  const code = causeCode(error);
  const text = error instanceof Error ? (error.message.split('\n')[0] ?? '') : String(error);
  return code === null || text.includes(code) ? text : `${text} (${code})`;
}
