/** What takes part in a contest: something that makes webhooks of a database's changes. */
import type { Program } from './processes.ts';

/** A database of its own with the table `load`, its publication, a slot's name, and where to send. */
export interface Place {
  readonly host: string;
  readonly port: number;
  readonly user: string;
  readonly password: string;
  readonly database: string;
  readonly url: string;
  readonly publication: string;
  readonly slot: string;
  /** A database for a queue, on the same server. */
  readonly queueUrl: string;
  /** A Redis of its own, empty, with an append-only file. */
  readonly redisUrl: string;
  readonly receiverUrl: string;
  /** Requests at a time, for those which can. */
  readonly connections: number;
  /** Empty, kept over restarts within a round. */
  readonly folder: string;
  /** Runs SQL in the database. */
  sql(text: string, values?: readonly unknown[]): Promise<readonly Record<string, unknown>[]>;
}

export interface Contender {
  readonly name: string;
  readonly title: string;
  /** What it does not do that others here do; printed beside its figures. */
  readonly lacks: string;
  readonly usesRedis: boolean;
  /** null: it can run here; else why not. */
  missing(): Promise<string | null>;
  /** How to get it, for `--fetch`; null: it comes with npm install. */
  fetch: (() => Promise<void>) | null;
  /** Makes its slot, trigger or tables if they are not there, and starts it. Called again after a kill. */
  start(place: Place): Promise<Program>;
}

/** Makes the slot unless it is there. */
export async function ensureSlot(place: Place, plugin: string): Promise<void> {
  await place.sql(
    `select pg_create_logical_replication_slot($1, $2)
     where not exists (select from pg_replication_slots where slot_name = $1)`,
    [place.slot, plugin],
  );
}
