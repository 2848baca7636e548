/** A database of one test file's own, dropped with its slots at the end. */
import { randomBytes } from 'node:crypto';
import { Client } from 'pg';
import { inject } from 'vitest';

export interface TestDatabase extends AsyncDisposable {
  readonly name: string;
  readonly url: string;
  /** A superuser's connection. */
  readonly client: Client;
  /** The URL with another user, or another database of the same server. */
  urlFor(changes: { readonly user?: string; readonly password?: string; readonly database?: string }): string;
}

export async function createDatabase(serverUrl: string = inject('postgresUrl')): Promise<TestDatabase> {
  const name = `test_${randomBytes(6).toString('hex')}`;
  await withClient(serverUrl, (admin) => admin.query(`create database ${name}`));
  const urlFor: TestDatabase['urlFor'] = ({ user, password, database }) => {
    const url = new URL(serverUrl);
    if (user !== undefined) url.username = user;
    if (password !== undefined) url.password = password;
    url.pathname = `/${database ?? name}`;
    return url.toString();
  };
  const client = new Client({ connectionString: urlFor({}) });
  // A server that a test restarts ends the connection; who uses it then is told.
  client.on('error', () => undefined);
  await client.connect();
  return {
    name,
    url: urlFor({}),
    client,
    urlFor,
    async [Symbol.asyncDispose]() {
      await client.end().catch(() => undefined);
      await withClient(serverUrl, (admin) => dropDatabase(admin, name));
    },
  };
}

async function dropDatabase(admin: Client, name: string): Promise<void> {
  // A walsender lets go of its slot a moment after it is told to.
  for (let tries = 0; tries < 50; tries += 1) {
    await admin.query(
      'select pg_terminate_backend(active_pid) from pg_replication_slots where database = $1 and active',
      [name],
    );
    await admin.query(
      'select pg_drop_replication_slot(slot_name) from pg_replication_slots where database = $1 and not active',
      [name],
    );
    const { rows } = await admin.query('select from pg_replication_slots where database = $1', [name]);
    if (rows.length === 0) break;
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  await admin.query(`drop database ${name} with (force)`);
}

async function withClient<T>(url: string, use: (client: Client) => Promise<T>): Promise<T> {
  const client = new Client({ connectionString: url });
  await client.connect();
  try {
    return await use(client);
  } finally {
    await client.end();
  }
}
