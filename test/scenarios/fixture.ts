/**
 * What the scenarios share: a watched database with a ledger table, a queue, a receiver, and daemons as users
 * run them. The oracle is the ledger's: what was committed against what arrived.
 */
import { randomBytes } from 'node:crypto';
import { expect } from 'vitest';
import { judge, LEDGER_TABLE, type Verdict } from '../crash/ledger.ts';
import { configFolder, type Daemon, startDaemon, walhook } from '../helpers/command.ts';
import { createDatabase, type TestDatabase } from '../helpers/database.ts';
import { createQueue, type QueueKind } from '../helpers/queue.ts';
import { openSink, type Sink } from '../helpers/sink.ts';
import { until } from '../helpers/until.ts';

export interface ScenarioOptions {
  readonly queue?: QueueKind;
  /** A database of another server. */
  readonly serverUrl?: string;
  /** Further keys of the configuration. */
  readonly postgres?: Readonly<Record<string, unknown>>;
  readonly queueSection?: Readonly<Record<string, unknown>>;
  readonly config?: Readonly<Record<string, unknown>>;
  readonly webhook?: Readonly<Record<string, unknown>>;
  /** All webhooks, in place of the one of the ledger, given the receiver's URL. */
  readonly webhooks?: (url: string) => readonly unknown[];
  /** Arguments of setup; null: setup is not run. */
  readonly setup?: readonly string[] | null;
}

export interface Scenario extends AsyncDisposable {
  readonly database: TestDatabase;
  readonly slot: string;
  readonly sink: Sink;
  readonly file: string;
  /** Started so far. */
  readonly daemons: readonly Daemon[];
  /** Runs setup, which must end with 0. */
  setup(...args: readonly string[]): Promise<void>;
  /** The `queue` section of the configuration. */
  queueSection(): Promise<{ readonly url: string; readonly prefix: string }>;
  /** Another configuration of the same walhook, e.g. through a proxy. */
  variant(change: (config: Configuration) => Configuration): Promise<string>;
  daemon(options?: { readonly file?: string; readonly env?: Readonly<Record<string, string>> }): Daemon;
  /** Commits one Transaction of so many operations. */
  commit(count?: number): Promise<void>;
  rollBack(count?: number): Promise<void>;
  verdict(): Verdict;
  /** Waits until everything committed has arrived, and holds the ledger against it. */
  untilComplete(timeoutMs?: number): Promise<void>;
  status(): Promise<StatusJson>;
}

export interface Configuration {
  readonly postgres: Readonly<Record<string, unknown>>;
  readonly queue: Readonly<Record<string, unknown>>;
  readonly webhooks: readonly unknown[];
}

/** The parts of `walhook status --json` that the scenarios look at. */
export interface StatusJson {
  readonly generation: string;
  readonly slot: Readonly<Record<string, unknown>> & { readonly active_pid: number | null };
  readonly gaps?: readonly { readonly id: number; readonly kind: string }[];
}

export async function openScenario(options: ScenarioOptions = {}): Promise<Scenario> {
  const database = await createDatabase(options.serverUrl);
  const queue = await createQueue(options.queue ?? 'postgres');
  const sink = await openSink();
  await database.client.query(LEDGER_TABLE);
  const slot = `slot_${randomBytes(5).toString('hex')}`;
  const config: Configuration = {
    postgres: { url: database.url, slot, ...options.postgres },
    queue: { ...queue.section, ...options.queueSection },
    webhooks: options.webhooks?.(sink.url) ?? [
      {
        name: 'ops',
        models: ['op'],
        events: ['created'],
        url: sink.url,
        retry: { schedule: ['1s', '1s', '1s', '1s'] },
        ...options.webhook,
      },
    ],
    ...options.config,
  };
  const folders = [await configFolder(config)];
  const file = folders[0]?.file ?? '';
  const setup = async (...args: readonly string[]) => {
    expect(await walhook(['setup', '-c', file, ...args])).toMatchObject({ code: 0, stderr: '' });
  };
  if (options.setup !== null) await setup(...(options.setup ?? []));
  const daemons: Daemon[] = [];
  const committed = new Set<number>();
  const rolledBack = new Set<number>();
  let next = 1;
  const write = async (count: number, ending: 'commit' | 'rollback') => {
    const ids = Array.from({ length: count }, () => next++);
    const values = ids.map((id) => `(${id}, 0, 'x')`).join(',');
    await database.client.query(`begin; insert into op values ${values}; ${ending}`);
    for (const id of ids) (ending === 'commit' ? committed : rolledBack).add(id);
  };
  const verdict = () => judge({ committed, rolledBack }, sink.received);
  return {
    database,
    slot,
    sink,
    file,
    daemons,
    setup,
    queueSection: () => Promise.resolve(queue.section),
    async variant(change) {
      const folder = await configFolder(change(config));
      folders.push(folder);
      return folder.file;
    },
    daemon({ file: other = file, env = {} } = {}) {
      const daemon = startDaemon(['-c', other], { env });
      daemons.push(daemon);
      return daemon;
    },
    commit: (count = 1) => write(count, 'commit'),
    rollBack: (count = 1) => write(count, 'rollback'),
    verdict,
    async untilComplete(timeoutMs = 30_000) {
      await until(() => verdict().lost.length === 0, {
        timeoutMs,
        what: `every operation arrives; lost: ${verdict().lost.slice(0, 5).join(', ')}; ${daemons.map((one) => one.output().slice(-4_000)).join('\n---\n')}`,
      });
      expect(verdict()).toMatchObject({ lost: [], phantoms: [], secondIds: [], sharedIds: [] });
    },
    async status() {
      return JSON.parse((await walhook(['status', '--json', '-c', file])).stdout) as StatusJson;
    },
    async [Symbol.asyncDispose]() {
      for (const daemon of daemons) await daemon[Symbol.asyncDispose]();
      for (const folder of folders) await folder[Symbol.asyncDispose]();
      await sink[Symbol.asyncDispose]();
      await database[Symbol.asyncDispose]();
      await queue[Symbol.asyncDispose]();
    },
  };
}

/** Waits until a daemon captures. */
export function untilCapturing(daemon: Daemon, timeoutMs = 20_000): Promise<void> {
  return daemon.untilLogged('capturing', timeoutMs);
}

/** Log lines of one code. */
export function loggedCodes(daemon: Daemon): string[] {
  return daemon.log().flatMap((entry) => (typeof entry['code'] === 'string' ? [entry['code']] : []));
}
