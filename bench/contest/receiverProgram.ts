/**
 * The receiver of a contest, a process of its own: answers 200 at once and remembers when each row arrived
 * first. A row is known by the text `row#<id>#` in one of its columns, wherever a body has it; a request
 * that has several rows is a batch.
 *
 * `GET /stats`: what arrived so far. `GET /arrivals`: `[[id, ms since 1970], …]`. `POST /reset` forgets.
 * Everything else is a webhook.
 */
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';

export interface Stats {
  readonly requests: number;
  /** Rows that arrived at least once. */
  readonly distinct: number;
  /** Arrivals of rows that had arrived before. */
  readonly duplicates: number;
  /** Of the last row that was new, in ms since 1970. */
  readonly lastAtMs: number;
  readonly bytes: number;
}

const MARK = 'row#';

class Arrivals {
  #first = new Map<number, number>();
  #requests = 0;
  #duplicates = 0;
  #lastAtMs = 0;
  #bytes = 0;

  add(body: string): void {
    const atMs = performance.timeOrigin + performance.now();
    this.#requests += 1;
    this.#bytes += body.length;
    const seen = new Set<number>();
    for (let at = body.indexOf(MARK); at !== -1; at = body.indexOf(MARK, at + 1)) {
      const from = at + MARK.length;
      const id = Number(body.slice(from, body.indexOf('#', from)));
      // A body may have a row's columns twice, as data and as a snapshot.
      if (seen.has(id)) continue;
      seen.add(id);
      if (this.#first.has(id)) {
        this.#duplicates += 1;
      } else {
        this.#first.set(id, atMs);
        this.#lastAtMs = atMs;
      }
    }
  }

  stats(): Stats {
    return {
      requests: this.#requests,
      distinct: this.#first.size,
      duplicates: this.#duplicates,
      lastAtMs: this.#lastAtMs,
      bytes: this.#bytes,
    };
  }

  all(): [number, number][] {
    return [...this.#first];
  }

  reset(): void {
    this.#first = new Map();
    this.#requests = 0;
    this.#duplicates = 0;
    this.#lastAtMs = 0;
    this.#bytes = 0;
  }
}

function answer(arrivals: Arrivals, request: IncomingMessage, body: string, response: ServerResponse): void {
  if (request.url === '/stats') {
    response.end(JSON.stringify(arrivals.stats()));
  } else if (request.url === '/arrivals') {
    response.end(JSON.stringify(arrivals.all()));
  } else if (request.url === '/reset') {
    arrivals.reset();
    response.end();
  } else {
    arrivals.add(body);
    response.end('ok');
  }
}

const arrivals = new Arrivals();
const server = createServer((request, response) => {
  const chunks: Buffer[] = [];
  request.on('data', (chunk: Buffer) => chunks.push(chunk));
  request.on('end', () => answer(arrivals, request, Buffer.concat(chunks).toString('latin1'), response));
});
server.keepAliveTimeout = 60_000;
server.listen(Number(process.argv[2]), '127.0.0.1', () => process.stdout.write('ready\n'));
// Ends with the benchmark, however that ends.
process.stdin.resume().on('end', () => process.exit(0));
