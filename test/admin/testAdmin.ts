/** An admin server over a queue in memory, on a free port of loopback. */
import type { AdminHost } from '../../src/admin/host.ts';
import { RowTable } from '../../src/admin/rowTable.ts';
import { type AdminServer, openAdmin } from '../../src/admin/server.ts';
import { type LoadedConfig, loadConfig } from '../../src/config/load.ts';
import { systemClock } from '../../src/core/clock.ts';
import { WalhookError } from '../../src/core/errors.ts';
import { createLogger } from '../../src/core/logger.ts';
import { NO_TLS } from '../../src/database/connect.ts';
import { define, LiveDefinitions } from '../../src/definitions/live.ts';
import { readPublished } from '../../src/definitions/published.ts';
import { Reloader } from '../../src/definitions/reloader.ts';
import { OwnServices } from '../../src/deliver/addresses/ownServices.ts';
import { Metrics } from '../../src/observe/metrics.ts';
import { Sampler } from '../../src/observe/sampler.ts';
import { type MemoryDeliveries, memoryDeliveries } from './memoryDeliveries.ts';

export const TOKENS = {
  viewer: 'viewer-token-1',
  operator: 'operator-token-1',
  admin: 'admin-token-1',
} as const;
export type TestRole = keyof typeof TOKENS;

export interface TestAdmin extends AsyncDisposable {
  readonly server: AdminServer;
  readonly host: AdminHost;
  readonly queue: MemoryDeliveries;
  /** Everything logged. */
  log(): string;
  /** What the next reload reads. */
  file: unknown;
  /** A request; never follows a redirect. */
  ask(path: string, options?: AskOptions): Promise<Response>;
}

export interface AskOptions {
  readonly as?: TestRole | null;
  readonly method?: string;
  readonly headers?: Readonly<Record<string, string>>;
  /** An object is sent as JSON, a text as a form. */
  readonly body?: unknown;
}

export interface TestAdminOptions {
  readonly admin?: unknown;
  readonly config?: Readonly<Record<string, unknown>>;
  readonly env?: Readonly<Record<string, string>>;
  /** What the capturing process published. */
  readonly published?: string;
  /** Of the database whose walhook.webhook is edited; none by default. */
  readonly database?: string;
}

export const WEBHOOK = {
  name: 'sessions',
  models: ['session'],
  events: ['created', 'updated'],
  url: 'http://hooks.example/{{ model }}',
  conditions: { attr: 'status', value: 'enabled' },
  body_template: '{"id": {{ data.id }}}',
};

export function loadText(config: unknown, env: Readonly<Record<string, string>> = {}): LoadedConfig {
  const { loaded, mistakes } = loadConfig(JSON.stringify(config), {
    source: { env, readFile: () => 'from-a-file' },
  });
  if (loaded === null) throw new WalhookError('CONFIG_INVALID', JSON.stringify(mistakes));
  return loaded;
}

export async function testAdmin(options: TestAdminOptions = {}): Promise<TestAdmin> {
  const tokens = Object.entries(TOKENS).map(([role, token]) => ({ name: `the ${role}`, role, token }));
  const file = {
    postgres: { url: 'postgres://u@localhost:1/app' },
    queue: { url: 'postgres://u@localhost:1/queue' },
    admin: options.admin ?? { listen: '127.0.0.1:0', tokens },
    webhooks: [WEBHOOK],
    ...options.config,
  };
  let logged = '';
  const write = (text: string) => {
    logged += text;
  };
  const log = createLogger({ level: 'debug', format: 'json' }, { write });
  const queue = memoryDeliveries();
  const live = new LiveDefinitions(define(loadText(file, options.env), new Map(), 0));
  const metrics = new Metrics('0.0.0', systemClock);
  const reread = () => loadText(admin.file, options.env);
  const sampler = new Sampler({
    readSlot: () => Promise.reject(new WalhookError('POSTGRES_UNREACHABLE', 'expected a PostgreSQL')),
    readQueue: async () =>
      new Map([...(await queue.store.counts())].map(([key, counts]) => [key, { ...counts, oldestMs: null }])),
    metrics,
    clock: systemClock,
  });
  const url = () => options.database ?? 'postgres://u@127.0.0.1:1/app';
  const rows = new RowTable({ url, tls: NO_TLS, role: 'watched' }, live, systemClock);
  const host: AdminHost = {
    version: '0.0.0',
    roles: ['capture', 'deliver', 'admin'],
    startedAtMs: Date.now(),
    store: queue.store,
    live,
    metrics,
    published: () => readPublished(options.published ?? null),
    rows,
    own: new OwnServices(
      () => [],
      () => Promise.resolve([]),
      systemClock,
    ),
    reloader: new Reloader({ reread, live, metrics, clock: systemClock, log }),
    sampler,
    readStatus: () => Promise.reject(new WalhookError('POSTGRES_UNREACHABLE', 'expected a PostgreSQL')),
    clock: systemClock,
    log,
  };
  const server = await openAdmin(host);
  const admin: TestAdmin = {
    server,
    host,
    queue,
    file,
    log: () => logged,
    ask: (path, ask = {}) => fetch(server.url + path, requestOf(ask)),
    async [Symbol.asyncDispose]() {
      await server.close();
      await rows.close();
    },
  };
  return admin;
}

function requestOf({ as = 'admin', method = 'GET', headers = {}, body }: AskOptions): RequestInit {
  const isForm = typeof body === 'string';
  return {
    method,
    redirect: 'manual',
    headers: {
      ...(as === null ? {} : { authorization: `Bearer ${TOKENS[as]}` }),
      ...(body === undefined
        ? {}
        : { 'content-type': isForm ? 'application/x-www-form-urlencoded' : 'application/json' }),
      ...headers,
    },
    ...(body === undefined ? {} : { body: isForm ? body : JSON.stringify(body) }),
  };
}
