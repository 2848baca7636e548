/**
 * URLs of a Redis: one server, the Sentinels that know which server is the master, or nodes of a Cluster. The forms
 * are those of the field: redis+sentinel:// as in redis-sentinel-url and Flask-Limiter, redis+cluster:// as in the
 * latter; rediss+… is TLS to all of them. Pure; a URL of several hosts is none that WHATWG's parser reads.
 */
import { WalhookError } from './errors.ts';

export interface RedisNode {
  /** A name or an address; that of IPv6 without brackets. */
  readonly host: string;
  readonly port: number;
}

interface Credentials {
  readonly username: string | null;
  readonly password: string | null;
}

export interface RedisPlace {
  readonly kind: 'server' | 'sentinel' | 'cluster';
  readonly isTls: boolean;
  /** sentinel: the Sentinels; else servers. At least one. */
  readonly nodes: readonly RedisNode[];
  /** Of the servers that hold data. */
  readonly credentials: Credentials;
  /** sentinel: under which name the Sentinels know the master. */
  readonly master: string;
  readonly database: number;
  /** Of the Sentinels, which have passwords of their own. */
  readonly sentinel: Credentials;
}

const SCHEME = /^(rediss?)(?:\+(sentinel|cluster))?:\/\//;
const SEVERAL = /^rediss?\+(?:sentinel|cluster):\/\/(?:([^@/?#]*)@)?([^@/?#]*)(?:\/([^?#]*))?(?:\?([^#]*))?$/;
const HOST = /^(?:\[([0-9A-Fa-f:.%]+)\]|([A-Za-z0-9._-]+))(?::(\d{1,5}))?$/;
/** What Sentinel takes as a master's name. */
const MASTER = /^[A-Za-z0-9._-]+$/;
const SERVER_PORT = 6_379;
const SENTINEL_PORT = 26_379;
const MAX_NODES = 64;
/** The most that a server can be given. */
const MAX_DATABASE = 2_147_483_647;
const NOBODY: Credentials = { username: null, password: null };
const SENTINEL_KEYS: readonly string[] = ['sentinel_username', 'sentinel_password'];

export function isRedisUrl(text: string): boolean {
  return SCHEME.test(text);
}

/** Several hosts may stand in it. */
export function isSeveralRedisUrl(text: string): boolean {
  return SCHEME.exec(text)?.[2] !== undefined;
}

/** Throws CONFIG_INVALID, which names the part that is wrong and nothing of what stands there. */
export function parseRedisUrl(text: string): RedisPlace {
  const [, scheme, several] = SCHEME.exec(text) ?? refuse('a URL that starts with redis:// or rediss://');
  const isTls = scheme === 'rediss';
  if (several === undefined) return { ...parseServer(text), isTls };
  const [, user, hosts = '', path = '', query = ''] =
    SEVERAL.exec(text) ??
    refuse(
      `${scheme}+${several}://user:password@host1,host2/…, with @ / ? # in passwords written as %40 %2F %3F %23`,
    );
  const isSentinel = several === 'sentinel';
  const nodes = parseNodes(hosts, isSentinel ? SENTINEL_PORT : SERVER_PORT);
  const credentials = parseUser(user);
  if (!isSentinel) {
    if (path !== '' && path !== '0')
      refuse('nothing but database 0 after the hosts of a Cluster: it has no other');
    if (query !== '') refuse('no parameters after the hosts of a Cluster');
    return { kind: 'cluster', isTls, nodes, credentials, master: '', database: 0, sentinel: NOBODY };
  }
  const [master = '', database = '0', ...rest] = path.split('/').map(decoded);
  if (!MASTER.test(master)) refuse("the master's name after the Sentinels, e.g. …:26379/mymaster");
  if (rest.length > 0) refuse("nothing after the master's name and a database, e.g. /mymaster/0");
  return {
    ...{ kind: 'sentinel', isTls, nodes, credentials, master },
    database: parseDatabase(database),
    sentinel: parseSentinel(query),
  };
}

/** What a log may show of a URL of several hosts, even of one that is malformed. */
export function maskSeveral(text: string): string {
  return text.replace(/:\/\/.*@/s, '://***:***@').replace(/[?#].*$/s, '?***');
}

function parseServer(text: string): Omit<RedisPlace, 'isTls'> {
  if (!URL.canParse(text) || new URL(text).hostname.includes(',')) {
    refuse('one host in redis://; several Sentinels stand in redis+sentinel://, nodes in redis+cluster://');
  }
  const { hostname, port, username, password, pathname } = new URL(text);
  const host = hostname.replace(/^\[(.*)\]$/, '$1') || 'localhost';
  const credentials = { username: decoded(username) || null, password: decoded(password) || null };
  const database = Number(pathname.slice(1)) || 0;
  const nodes = [{ host, port: Number(port) || SERVER_PORT }];
  return { kind: 'server', nodes, credentials, master: '', database, sentinel: NOBODY };
}

function parseNodes(hosts: string, defaultPort: number): RedisNode[] {
  const nodes = hosts.split(',').map((one) => {
    const [, six, name, port] = HOST.exec(one) ?? refuse('host or host:port, separated by commas');
    const number = port === undefined ? defaultPort : Number(port);
    if (number < 1 || number > 65_535) refuse('ports between 1 and 65535');
    return { host: six ?? name ?? '', port: number };
  });
  if (nodes.length > MAX_NODES) refuse(`at most ${MAX_NODES} hosts`);
  return nodes;
}

function parseUser(text: string | undefined): Credentials {
  if (text === undefined) return NOBODY;
  const colon = text.indexOf(':');
  if (colon < 0) return refuse('user:password@ or :password@ before the hosts');
  const username = decoded(text.slice(0, colon));
  return { username: username || null, password: decoded(text.slice(colon + 1)) || null };
}

function parseSentinel(query: string): Credentials {
  const named = new URLSearchParams(query);
  for (const key of named.keys()) {
    if (!SENTINEL_KEYS.includes(key)) refuse(`no parameters but ${SENTINEL_KEYS.join(' and ')}`);
  }
  const [username, password] = SENTINEL_KEYS.map((key) => named.get(key) || null);
  if (username != null && password == null) refuse('a sentinel_password beside sentinel_username');
  return { username: username ?? null, password: password ?? null };
}

function parseDatabase(text: string): number {
  if (text === '') return 0;
  if (!/^\d{1,10}$/.test(text) || Number(text) > MAX_DATABASE)
    refuse("a database's number after the master's name");
  return Number(text);
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return refuse('% in a URL to be written as %25');
  }
}

function refuse(expected: string): never {
  throw new WalhookError('CONFIG_INVALID', `queue.url: expected ${expected}`);
}
