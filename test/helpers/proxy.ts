/** A TCP proxy between walhook and a service, to refuse, cut and swallow connections. */
import { once } from 'node:events';
import { connect, createServer, type Server, type Socket } from 'node:net';
import { freePort } from '../../src/demo/embeddedPostgres.ts';

export interface Proxy extends AsyncDisposable {
  readonly port: number;
  /** The URL of the service with the proxy in its place. */
  readonly url: string;
  /** Stops listening and cuts what is open. */
  refuse(): Promise<void>;
  /** Listens, or listens again. */
  accept(): Promise<void>;
  /** Cuts what is open. */
  cut(): void;
  /** Keeps what is open and lets nothing through, in either direction or towards the client only. */
  swallow(direction: 'both' | 'inbound' | 'none'): void;
  /** Passes on what the service answers only after so many milliseconds. */
  delay(ms: number): void;
  /** Reads nothing any more, also of new connections: not even their end is noticed. Ends with `cut`. */
  freeze(): void;
}

export async function openProxy(serviceUrl: string): Promise<Proxy> {
  const service = new URL(serviceUrl);
  const port = await freePort();
  const target = { host: service.hostname, port: Number(service.port) };
  const open = new Set<Socket>();
  let swallowed: 'both' | 'inbound' | 'none' = 'none';
  let isFrozen = false;
  let delayMs = 0;
  let server: Server | null = null;
  const cut = () => {
    isFrozen = false;
    for (const socket of open) socket.destroy();
    open.clear();
  };
  const accept = async () => {
    if (server !== null) return;
    server = createServer((client) => {
      const upstream = connect(target);
      for (const socket of [client, upstream]) {
        open.add(socket);
        socket.on('error', () => undefined);
        socket.on('close', () => {
          open.delete(socket);
          client.destroy();
          upstream.destroy();
        });
      }
      client.on('data', (chunk) => swallowed === 'both' || upstream.write(chunk));
      upstream.on('data', (chunk) => {
        if (swallowed !== 'none') return;
        if (delayMs === 0) client.write(chunk);
        else setTimeout(() => client.destroyed || client.write(chunk), delayMs);
      });
      if (isFrozen) client.pause();
    });
    server.listen(port, '127.0.0.1');
    await once(server, 'listening');
  };
  const refuse = async () => {
    const closing = server;
    server = null;
    cut();
    if (closing === null) return;
    closing.close();
    await once(closing, 'close');
  };
  await accept();
  const url = new URL(serviceUrl);
  url.port = String(port);
  url.hostname = '127.0.0.1';
  return {
    port,
    url: url.toString(),
    refuse,
    accept,
    cut,
    swallow(direction) {
      swallowed = direction;
    },
    delay(ms) {
      delayMs = ms;
    },
    freeze() {
      isFrozen = true;
      for (const socket of open) socket.pause();
    },
    [Symbol.asyncDispose]: refuse,
  };
}
