/** The demo's receiver: keeps what arrived until somebody takes it. */
import { once } from 'node:events';
import { createServer, type IncomingMessage } from 'node:http';
import { buffer } from 'node:stream/consumers';

export interface Arrival {
  readonly id: string;
  readonly event: string;
  readonly model: string;
  readonly requestId: string | null;
  readonly body: string;
}

export interface Inbox {
  readonly url: string;
  /** Calls back with each webhook as it arrives. */
  onArrival(callback: (arrival: Arrival) => void): void;
  /** Waits for webhooks of one request until as many arrived as were asked for, or the time is up. */
  take(requestId: string, count: number, timeoutMs: number): Promise<Arrival[]>;
  close(): Promise<void>;
}

const MAX_KEPT = 1_000;

export async function openInbox(): Promise<Inbox> {
  const arrived: Arrival[] = [];
  const seen = new Set<string>();
  const listeners: ((arrival: Arrival) => void)[] = [];
  const server = createServer((request, response) => {
    void read(request).then((arrival) => {
      response.end();
      // Deliveries may repeat; their id tells.
      if (seen.has(arrival.id)) return;
      seen.add(arrival.id);
      arrived.push(arrival);
      // The demo may go on for days.
      if (arrived.length > MAX_KEPT) seen.delete(arrived.shift()?.id ?? '');
      for (const listener of listeners) listener(arrival);
    });
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  const port = typeof address === 'object' && address !== null ? address.port : 0;
  return {
    url: `http://127.0.0.1:${port}/`,
    onArrival: (callback) => void listeners.push(callback),
    take(requestId, count, timeoutMs) {
      const found = () => arrived.filter((arrival) => arrival.requestId === requestId);
      return new Promise((resolve) => {
        const finish = () => {
          clearTimeout(timer);
          listeners.splice(listeners.indexOf(check), 1);
          resolve(found().sort((a, b) => (a.id < b.id ? -1 : 1)));
        };
        const check = () => {
          if (found().length >= count) finish();
        };
        const timer = setTimeout(finish, timeoutMs);
        listeners.push(check);
        check();
      });
    },
    async close() {
      server.closeAllConnections();
      server.close();
      await once(server, 'close');
    },
  };
}

async function read(request: IncomingMessage): Promise<Arrival> {
  const body = (await buffer(request)).toString('utf8');
  const event = JSON.parse(body) as { event: string; model: string; request_id: string | null };
  return {
    id: String(request.headers['webhook-id']),
    event: event.event,
    model: event.model,
    requestId: event.request_id,
    body,
  };
}
