/** Starts the containers of one pair, and stops them at the end of its tests. */
import { Redis } from 'ioredis';
import { Client } from 'pg';
import { GenericContainer, type StartedTestContainer, Wait } from 'testcontainers';
import type { TestProject } from 'vitest/node';
import { Scope } from '../../src/core/lifecycle.ts';
import { until } from '../helpers/until.ts';
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
        .withWaitStrategy(Wait.forListeningPorts())
        .start(),
    );
    const postgresUrl = `postgres://postgres:postgres@${addressOf(postgres, 5432)}/postgres`;
    const version = await versionOf(postgresUrl);
    project.provide('postgresUrl', postgresUrl);
    project.provide('postgresVersion', Number.parseInt(version, 10));
    const redisUrl = `redis://${addressOf(redis, 6379)}`;
    project.provide('redisUrl', redisUrl);
    const said = [
      whatRuns(pair.postgres, 'PostgreSQL', version),
      whatRuns(pair.redis, ...(await queueVersionOf(redisUrl))),
    ];
    for (const one of said) process.stdout.write(`  fact: ${project.name}: ${one}\n`);
    // Once more at the end, where the reader of a long run looks.
    scope.defer(async () => {
      for (const one of said) process.stdout.write(`  fact: ${project.name} ran against: ${one}\n`);
    });
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

/** What the server itself says, beside what its image is called: a run shows nothing of another version. */
function whatRuns(image: string, product: string, version: string): string {
  const [name = '', tag = ''] = image.split(':');
  const isNamed =
    name.includes(product.toLowerCase().replace('sql', '')) && `${version}.`.startsWith(`${tag}.`);
  const server = `the server says that it is ${product} ${version}`;
  return isNamed ? server : `${server}: THIS SHOWS NOTHING OF ${image}`;
}

/** Valkey names itself beside the version of Redis that it is compatible with. */
async function queueVersionOf(url: string): Promise<[product: string, version: string]> {
  const redis = new Redis(url, { lazyConnect: true });
  try {
    await redis.connect();
    const info = await redis.info('server');
    const valkey = /valkey_version:(\S+)/.exec(info)?.[1];
    return valkey === undefined
      ? ['Redis', /redis_version:(\S+)/.exec(info)?.[1] ?? 'unknown']
      : ['Valkey', valkey];
  } finally {
    redis.disconnect();
  }
}

/**
 * While the image's first start runs its scripts, the server listens on its socket only, and the port that Docker
 * has opened answers nobody. A health check would go on asking through Docker for as long as the tests run.
 */
async function versionOf(connectionString: string): Promise<string> {
  const ask = () => askVersion(connectionString).catch(() => null);
  return await until(ask, { timeoutMs: 60_000, what: `an answer of ${connectionString}` });
}

async function askVersion(connectionString: string): Promise<string> {
  const client = new Client({ connectionString });
  await client.connect();
  try {
    const { rows } = await client.query<{ server_version: string }>('show server_version');
    return rows[0]?.server_version ?? 'unknown';
  } finally {
    await client.end();
  }
}
