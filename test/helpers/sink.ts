/** A receiver that remembers every request, and answers as it is told. */
import { once } from 'node:events';
import { createServer, type IncomingHttpHeaders, type IncomingMessage, type ServerResponse } from 'node:http';
import { buffer } from 'node:stream/consumers';

export interface Received {
  readonly method: string;
  readonly path: string;
  readonly headers: IncomingHttpHeaders;
  readonly body: string;
  readonly atMs: number;
  /** The sender's port: tells its connections apart. */
  readonly fromPort: number;
}

export type Answer = (request: Received, response: ServerResponse) => void;

export interface Sink extends AsyncDisposable {
  readonly url: string;
  readonly port: number;
  readonly received: Received[];
  /** Bodies parsed as JSON. */
  events(): Record<string, unknown>[];
  /** Replaces the answer, which is 200 until then. */
  answerWith(answer: Answer): void;
}

export async function openSink(port = 0): Promise<Sink> {
  const received: Received[] = [];
  let answer: Answer = (_request, response) => void response.end('ok');
  const server = createServer((request: IncomingMessage, response) => {
    void buffer(request).then((body) => {
      const one: Received = {
        method: request.method ?? '',
        path: request.url ?? '',
        headers: request.headers,
        body: body.toString('utf8'),
        atMs: Date.now(),
        fromPort: request.socket.remotePort ?? 0,
      };
      received.push(one);
      answer(one, response);
    });
  });
  server.listen(port, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  const bound = typeof address === 'object' && address !== null ? address.port : 0;
  return {
    url: `http://127.0.0.1:${bound}/`,
    port: bound,
    received,
    events: () => received.map((one) => JSON.parse(one.body) as Record<string, unknown>),
    answerWith(next) {
      answer = next;
    },
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      server.close();
      await once(server, 'close');
    },
  };
}
