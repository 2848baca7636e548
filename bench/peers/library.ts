/**
 * What `npm install pg-logical-replication undici` and the README's example give: each row is sent as it
 * comes. Once as the example has it (`acknowledge: {auto: true}`, nobody waits for the request), once with
 * `flowControl`, where the stream waits for each request.
 *
 * Does not: try again, survive a receiver that is down, know what was sent before a crash; as published it
 * acknowledges what it has read, not what was delivered. The first has no bound on what is in memory; the
 * second sends one request at a time.
 */
import { LogicalReplicationService, type Pgoutput, PgoutputPlugin } from 'pg-logical-replication';
import { Agent } from 'undici';
import { type Contender, ensureSlot } from '../contest/contender.ts';
import { type NodePeer, startStreamingPeer } from './peer.ts';

/** Never resolves: it streams until it is killed. */
export async function runLibrary(peer: NodePeer, waits: boolean): Promise<void> {
  const agent = new Agent({ connections: peer.connections });
  const send = async (message: Pgoutput.Message): Promise<void> => {
    if (message.tag !== 'insert') return;
    const body = JSON.stringify({ event: 'created', model: message.relation.name, data: message.new });
    const { origin, pathname } = new URL(peer.receiverUrl);
    const headers = { 'content-type': 'application/json' };
    const response = await agent.request({ origin, path: pathname, method: 'POST', headers, body });
    await response.body.dump();
  };
  const service = new LogicalReplicationService(
    { connectionString: peer.url },
    { acknowledge: { auto: true, timeoutSeconds: 10 }, ...(waits ? { flowControl: { enabled: true } } : {}) },
  );
  service.on('data', (_lsn: string, message: Pgoutput.Message) =>
    waits ? send(message) : void send(message).catch(() => undefined),
  );
  const plugin = new PgoutputPlugin({ protoVersion: 1, publicationNames: [peer.publication] });
  await service.subscribe(plugin, peer.slot);
}

const contender = (name: string, title: string, lacks: string): Contender => ({
  name,
  title,
  lacks,
  usesRedis: false,
  missing: async () => null,
  fetch: null,
  start: async (place) => {
    await ensureSlot(place, 'pgoutput');
    return startStreamingPeer(name, place);
  },
});

export const LIBRARY = contender(
  'library',
  'pg-logical-replication and undici, as its README',
  'retries, a queue, a bound on memory; a crash loses what was in flight',
);
export const LIBRARY_WAITING = contender(
  'libraryWaiting',
  'the same with flowControl',
  'retries, a queue, several requests at a time',
);
