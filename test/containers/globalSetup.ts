/** Starts the containers of one pair, and stops them at the end of its tests. */
import { Client } from 'pg';
import { GenericContainer, type StartedTestContainer, Wait } from 'testcontainers';
import type { TestProject } from 'vitest/node';
import { Scope } from '../../src/core/lifecycle.ts';
import { pairOf } from './images.ts';

/** As the server that the other tests bring along is set up (test/helpers/globalSetup.ts). */
const SETTINGS = [
  'wal_level=logical',
  'max_connections=100',
  'max_replication_slots=60',
  'max_wal_senders=60',
];

export async function setup(project: TestProject): Promise<() => Promise<void>> {
  const pair = pairOf(project.name);
  const scope = new Scope();
  const keep = (container: StartedTestContainer): StartedTestContainer => {
    scope.defer(async () => {
      await container.stop({ removeVolumes: true });
    });
    return container;
  };
  try {
    const redis = keep(
      await new GenericContainer(pair.redis)
        .withExposedPorts(6379)
        .withWaitStrategy(Wait.forListeningPorts())
        .start(),
    );
    const postgres = keep(
      await new GenericContainer(pair.postgres)
        .withExposedPorts(5432)
        .withEnvironment({ POSTGRES_PASSWORD: 'postgres' })
        .withCommand(['postgres', ...SETTINGS.flatMap((setting) => ['-c', setting])])
        .withHealthCheck({
          test: ['CMD', 'pg_isready', '-h', '127.0.0.1', '-U', 'postgres'],
          interval: 500,
          timeout: 3_000,
          retries: 120,
        })
        .withWaitStrategy(Wait.forHealthCheck())
        .start(),
    );
    const postgresUrl = `postgres://postgres:postgres@${addressOf(postgres, 5432)}/postgres`;
    const version = await versionOf(postgresUrl);
    project.provide('postgresUrl', postgresUrl);
    project.provide('postgresVersion', Number.parseInt(version, 10));
    project.provide('redisUrl', `redis://${addressOf(redis, 6379)}`);
    process.stdout.write(`  fact: ${project.name}: the server is PostgreSQL ${version}\n`);
  } catch (error) {
    await scope.close();
    throw error;
  }
  return () => scope.close();
}

/** Messages name the address that was dialled, so it is one, and not a name for it. */
function addressOf(container: StartedTestContainer, port: number): string {
  const host = container.getHost() === 'localhost' ? '127.0.0.1' : container.getHost();
  return `${host}:${container.getMappedPort(port)}`;
}

async function versionOf(connectionString: string): Promise<string> {
  const client = new Client({ connectionString });
  await client.connect();
  try {
    const { rows } = await client.query<{ server_version: string }>('show server_version');
    return rows[0]?.server_version ?? 'unknown';
  } finally {
    await client.end();
  }
}
