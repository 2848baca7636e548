/**
 * Ends connections that say far more than answers may be long, in places where no limit of the HTTP client counts:
 * a status line or a chunk's extension without end. Such a receiver would keep this process busy until its Attempt
 * times out. Looks at the connections four times a second, and costs a request one addition.
 */
import type { Socket } from 'node:net';

const LOOK_MS = 250;
/** More than one answer can take: a head, 16 KiB of body, and what was read along with them. */
const ANSWER_BYTES = 131_072;
const SLACK_BYTES = 1_048_576;

export class FloodGuard {
  readonly #connections: number;
  readonly #read = new Map<Socket, number>();
  #timer: NodeJS.Timeout | null = null;
  #begun = 0;

  /** @param connections requests that can be in flight */
  constructor(connections: number) {
    this.#connections = connections;
  }

  /** Counts a request. */
  begin(): void {
    this.#begun += 1;
  }

  /** Looks after a connection until it is closed. */
  watch(socket: Socket): void {
    this.#read.set(socket, socket.bytesRead);
    socket.once('close', () => {
      this.#read.delete(socket);
      if (this.#read.size === 0) this.#stop();
    });
    this.#timer ??= setInterval(() => this.#look(), LOOK_MS).unref();
  }

  #look(): void {
    const allowed = (this.#begun + this.#connections) * ANSWER_BYTES + SLACK_BYTES;
    this.#begun = 0;
    const read = [...this.#read].map(([socket, before]) => ({ socket, bytes: socket.bytesRead - before }));
    for (const { socket } of read) this.#read.set(socket, socket.bytesRead);
    if (read.reduce((sum, { bytes }) => sum + bytes, 0) <= allowed) return;
    for (const { socket, bytes } of read) if (bytes > SLACK_BYTES) socket.destroy(flooded());
  }

  #stop(): void {
    if (this.#timer !== null) clearInterval(this.#timer);
    this.#timer = null;
  }
}

function flooded(): Error {
  return Object.assign(new Error('the receiver floods its connection'), { code: 'RESPONSE_FLOOD' });
}
