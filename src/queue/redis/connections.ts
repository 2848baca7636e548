/** Opening connections, whether one server holds the queue, a Cluster does, or Sentinels say which. */
import type { Redis } from 'ioredis';
import { unreachable } from './redisCall.ts';
import type { RedisServers } from './redisServers.ts';

/** How long opening a connection may take, whichever servers are asked on the way. */
const CONNECT_MS = 10_000;

/** Connects where the keys are, and leaves nothing open. Throws what went wrong. */
export async function probe(servers: RedisServers, prefix: string): Promise<void> {
  const client = servers.newClient(false);
  let said: unknown = null;
  let saidBySentinel: unknown = null;
  client.on('error', (error: unknown) => {
    said = error;
  });
  client.on('sentinelError', (error: unknown) => {
    saidBySentinel = error;
  });
  try {
    await client.connect();
    await client.hlen(`{${prefix}}:store`).catch((error: unknown) => {
      if (!servers.follow(client, error)) throw error;
    });
    await servers.learn(client);
  } catch (error) {
    // What went wrong with the connection, where there is such a thing, says more than that it is closed.
    if (servers.kind === 'sentinel') said = (await servers.askSentinel()) ?? saidBySentinel ?? said;
    throw said ?? error;
  } finally {
    client.disconnect();
  }
}

/** Opens a lasting connection. Throws QUEUE_UNREACHABLE, also where Sentinels would be asked forever. */
export async function connect(client: Redis, servers: RedisServers): Promise<void> {
  const late = new Error('no server was found in time');
  let timer: NodeJS.Timeout | undefined;
  const timeout = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(late), CONNECT_MS);
  });
  try {
    await Promise.race([client.connect(), timeout]);
  } catch (error) {
    client.disconnect();
    throw unreachable(error, servers.url());
  } finally {
    clearTimeout(timer);
  }
}
