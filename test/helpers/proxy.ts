/** A TCP proxy between walhook and a service, to refuse, cut and swallow connections. */
import { once } from 'node:events';
import { connect, createServer, type Server, type Socket } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
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
  /** Lets everything through in small pieces, each so much later; 0 ends it. */
  crawl(delayMs: number): void;
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
  let crawlMs = 0;
  let server: Server | null = null;
  /** What is on its way slowly is not overtaken by what comes after. */
  const passer = (to: Socket) => {
    let last: Promise<unknown> = Promise.resolve();
    let underWay = 0;
    return (chunk: Buffer) => {
      if (crawlMs === 0 && underWay === 0) {
        to.write(chunk);
        return;
      }
      underWay += 1;
      last = last.then(async () => {
        for (const piece of [chunk.subarray(0, chunk.length >> 1), chunk.subarray(chunk.length >> 1)]) {
          await delay(crawlMs);
          to.write(piece);
        }
        underWay -= 1;
      });
    };
  };
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
      const [up, down] = [passer(upstream), passer(client)];
      client.on('data', (chunk) => {
        if (swallowed !== 'both') up(chunk);
      });
      upstream.on('data', (chunk) => {
        if (swallowed !== 'none') return;
        if (delayMs === 0) down(chunk);
        else setTimeout(() => client.destroyed || down(chunk), delayMs);
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
    crawl(ms) {
      crawlMs = ms;
    },
    freeze() {
      isFrozen = true;
      for (const socket of open) socket.pause();
    },
    [Symbol.asyncDispose]: refuse,
  };
}
