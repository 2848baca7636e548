/**
 * The demo: a PostgreSQL of its own, the queue in it, a receiver, a sample schema and the daemon, all in one
 * process and one temporary folder. Shows the SQL that two users run and the webhooks that come of it.
 */
import { chmod, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { Client } from 'pg';
import { type LoadedConfig, loadConfig } from '../config/load.ts';
import { systemClock } from '../core/clock.ts';
import { WalhookError } from '../core/errors.ts';
import { NO_FAILPOINT } from '../core/failpoint.ts';
import { Scope, settlesWithin } from '../core/lifecycle.ts';
import type { Logger } from '../core/logger.ts';
import { runDaemon } from '../daemon.ts';
import { openQueue } from '../queue/open.ts';
import { servicesOf } from '../services.ts';
import { ownSchemas } from '../setup/ownSchemas.ts';
import { performSetup, readSql } from '../setup/perform.ts';
import { startEmbeddedPostgres } from './embeddedPostgres.ts';
import { type Inbox, openInbox } from './inbox.ts';
import type { Step } from './steps.ts';

export interface RunningDemo {
  /** The watched database, for whoever wants to try by hand. */
  readonly url: string;
  readonly inbox: Inbox;
  /** Where the page is; empty until it is open. */
  readonly adminUrl: () => string;
  /** Runs a step as its user, in a transaction of its own. */
  run(step: Step): Promise<void>;
  /** Rejects when the daemon ends by itself. */
  readonly ended: Promise<void>;
  stop(): Promise<void>;
}

export interface DemoParts {
  readonly version: string;
  readonly log: Logger;
  /** Receives what is being done, while it is being done. */
  readonly progress: (text: string) => void;
}

const DATABASE = 'demo';
const QUEUE_DATABASE = 'walhook_queue';
const STOP_TIMEOUT_MS = 10_000;

export async function startDemo({ version, log, progress }: DemoParts): Promise<RunningDemo> {
  const scope = new Scope();
  try {
    progress('starting PostgreSQL 18');
    const postgres = await startEmbeddedPostgres();
    scope.defer(() => postgres.stop());
    const url = postgres.url(DATABASE);
    progress('making the sample schema');
    await prepareDatabases(postgres.url('postgres'), url);
    const inbox = await openInbox();
    scope.defer(() => inbox.close());
    progress('setting up publication, helpers, slot and queue');
    const loaded = demoConfig(url, postgres.url(QUEUE_DATABASE), inbox.url);
    await setUp(loaded, url);
    const client = new Client({ connectionString: url });
    await client.connect();
    scope.defer(() => client.end());
    await trackTables(client);
    await writeDemoFile(url);
    scope.defer(() => rm(demoFile(), { force: true }));

    progress('starting walhook');
    let adminUrl = '';
    const stop = new AbortController();
    const ended = runDaemon(
      {
        loaded,
        services: servicesOf(loaded),
        roles: ['capture', 'deliver', 'admin'],
        reread: null,
        onHangup: () => undefined,
        onAdmin: (address) => {
          adminUrl = address;
        },
        version,
        clock: systemClock,
        log,
        failpoint: NO_FAILPOINT,
      },
      stop.signal,
    );
    ended.catch(() => undefined);
    scope.defer(async () => {
      stop.abort();
      await settlesWithin(
        ended.catch(() => undefined),
        STOP_TIMEOUT_MS,
      );
    });
    return {
      url,
      inbox,
      ended,
      adminUrl: () => adminUrl,
      run: (step) => runStep(client, step),
      stop: () => scope.close(),
    };
  } catch (error) {
    await scope.close();
    throw error;
  }
}

async function prepareDatabases(adminUrl: string, url: string): Promise<void> {
  const admin = new Client({ connectionString: adminUrl });
  await admin.connect();
  try {
    await admin.query(`create database ${DATABASE}`);
    await admin.query(`create database ${QUEUE_DATABASE}`);
  } finally {
    await admin.end();
  }
  const client = new Client({ connectionString: url });
  await client.connect();
  try {
    await client.query(readSql('demo.sql'));
    // The rounds leave nothing behind; this one stays, to be changed by hand.
    await client.query("insert into extras_tag (name, slug) values ('Exempt', 'exempt')");
  } finally {
    await client.end();
  }
}

async function setUp(loaded: LoadedConfig, url: string): Promise<void> {
  await using scope = new Scope();
  const client = new Client({ connectionString: url });
  await client.connect();
  scope.defer(() => client.end());
  const store = await openQueue(servicesOf(loaded).queue, systemClock);
  scope.defer(() => store.close());
  const { slot, publication } = loaded.config.postgres;
  const names = { slot, publication, ownSchemas: ownSchemas(loaded.config.queue.prefix) };
  const request = { only: ['publication', 'schema', 'slot'] as const, timeoutMs: 30_000 };
  await performSetup(client, store, loaded.config, names, request, () => undefined);
}

async function trackTables(client: Client): Promise<void> {
  await client.query(
    `select walhook.track(c.oid) from pg_catalog.pg_class c
     where c.relnamespace = 'public'::regnamespace and c.relkind = 'r'`,
  );
}

function demoConfig(url: string, queueUrl: string, inboxUrl: string): LoadedConfig {
  const text = JSON.stringify({
    environment: 'demo',
    postgres: { url },
    queue: { url: queueUrl },
    admin: { listen: '127.0.0.1:0' },
    // So that webhooks made on the page can go to the receiver too.
    addresses: { allow: [new URL(inboxUrl).host] },
    webhooks: [
      { name: 'everything', models: ['*'], events: ['created', 'updated', 'deleted'], url: inboxUrl },
    ],
    shutdown_timeout: '5s',
  });
  const { loaded } = loadConfig(text, { source: { env: {}, readFile: () => '' } });
  if (loaded === null) throw new WalhookError('UNEXPECTED', 'the configuration of the demo is not valid');
  return loaded;
}

async function runStep(client: Client, step: Step): Promise<void> {
  await client.query('begin');
  await client.query(
    "select set_config('walhook.username', $1, true), set_config('walhook.request_id', $2, true)",
    [step.username, step.requestId],
  );
  await client.query(step.sql);
  await client.query('commit');
}

/** Where the running demo of this user says how to reach its database. */
export function demoFile(): string {
  return path.join(tmpdir(), `walhook-demo-${process.getuid?.() ?? 0}.json`);
}

async function writeDemoFile(url: string): Promise<void> {
  await rm(demoFile(), { force: true });
  await writeFile(demoFile(), JSON.stringify({ url, pid: process.pid }), { mode: 0o600, flag: 'wx' });
  await chmod(demoFile(), 0o600);
}
