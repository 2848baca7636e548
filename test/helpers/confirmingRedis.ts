/**
 * A Redis that confirms what is on its disk, in front of one that cannot: a proxy that tells a version with
 * WAITAOF and answers that command itself, as the server of that version does. Everything else goes through.
 * https://redis.io/docs/latest/commands/waitaof/
 */
import { once } from 'node:events';
import { connect, createServer, type Socket } from 'node:net';

export interface ConfirmingRedis extends AsyncDisposable {
  readonly url: string;
  /** Times that WAITAOF was asked of the local file. */
  readonly asked: () => number;
  /** Whether the disk keeps up. Questions that wait are answered when it does, or when their time is over. */
  sync(isSynced: boolean): void;
}

interface Question {
  readonly answer: (copies: number) => void;
}

/** @param version of six characters, as the one behind it has */
export async function openConfirmingRedis(serviceUrl: string, version = '7.2.15'): Promise<ConfirmingRedis> {
  const service = new URL(serviceUrl);
  const open = new Set<Socket>();
  const waiting = new Set<Question>();
  let isSynced = true;
  let asked = 0;

  const waitaof = (client: Socket, [local = '0', , timeout = '0']: readonly string[]) => {
    const needsLocal = Number(local) > 0;
    if (needsLocal) asked += 1;
    const answer = (copies: number) => {
      waiting.delete(question);
      clearTimeout(timer);
      if (!client.destroyed) client.write(`*2\r\n:${copies}\r\n:0\r\n`);
    };
    const question: Question = { answer };
    // 0 waits for ever, which nobody does here.
    const timer = setTimeout(() => answer(0), Number(timeout) || 60_000);
    client.on('close', () => clearTimeout(timer));
    waiting.add(question);
    if (isSynced || !needsLocal) answer(isSynced ? 1 : 0);
  };

  const server = createServer((client) => {
    const upstream = connect({ host: service.hostname, port: Number(service.port) });
    for (const socket of [client, upstream]) {
      open.add(socket);
      socket.on('error', () => undefined);
      socket.on('close', () => {
        open.delete(socket);
        client.destroy();
        upstream.destroy();
      });
    }
    let bytes = Buffer.alloc(0);
    client.on('data', (chunk) => {
      bytes = Buffer.concat([bytes, chunk]);
      for (;;) {
        const command = readCommand(bytes);
        if (command === null) return;
        const whole = bytes.subarray(0, command.length);
        bytes = bytes.subarray(command.length);
        // Answers come in the order of the questions: whoever asks this has no other outstanding.
        if (command.name === 'WAITAOF') waitaof(client, command.args);
        else upstream.write(whole);
      }
    });
    upstream.on('data', (chunk) => {
      // Of the same length, so that the bulk string around it stays what it says it is.
      client.write(
        Buffer.from(
          chunk.toString('latin1').replace(/redis_version:7\.0\.\d\d/, `redis_version:${version}`),
          'latin1',
        ),
      );
    });
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as { port: number };
  return {
    url: `redis://127.0.0.1:${port}`,
    asked: () => asked,
    sync(synced) {
      isSynced = synced;
      if (synced) for (const { answer } of [...waiting]) answer(1);
    },
    async [Symbol.asyncDispose]() {
      for (const socket of open) socket.destroy();
      server.close();
      await once(server, 'close');
    },
  };
}

/** One command of the RESP protocol, an array of bulk strings; null where it is not whole yet. */
function readCommand(bytes: Buffer): { name: string; args: string[]; length: number } | null {
  let at = 0;
  const line = () => {
    const end = bytes.indexOf('\r\n', at);
    if (end < 0) return null;
    const text = bytes.toString('latin1', at, end);
    at = end + 2;
    return text;
  };
  const head = line();
  if (head === null) return null;
  const count = Number(head.slice(1));
  const words: string[] = [];
  for (let i = 0; i < count; i += 1) {
    const size = line();
    if (size === null) return null;
    const length = Number(size.slice(1));
    if (bytes.length < at + length + 2) return null;
    // Only the first words matter here; a flush is megabytes.
    words.push(i < 5 ? bytes.toString('latin1', at, at + Math.min(length, 100)) : '');
    at += length + 2;
  }
  const [name = '', ...args] = words;
  return { name: name.toUpperCase(), args, length: at };
}
