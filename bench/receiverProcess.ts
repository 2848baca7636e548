/**
 * The receiver of the benchmarks, a process of its own: answers well or ill by the first part of the path, and
 * tells its parent what came and when. Forked by stage.ts; speaks to it in the messages of that file.
 */
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { createServer as createTcpServer } from 'node:net';
import type { Arrivals, ReceiverOrder, ReceiverPorts } from './stage.ts';

const SLOW_MS = 20_000;
const DRIP_MS = 300;
/** Latencies are counted in classes of a quarter of a millisecond, up to ten seconds. */
const CLASSES_PER_MS = 4;
const MAX_CLASS = 40_000;

let latencies = new Uint32Array(MAX_CLASS + 1);
let received = 0;
let failShare = 0;
let delayMs = 0;
/** By row: sequence numbers in the order in which they were answered well for the first time. */
let answered = new Map<string, Set<number>>();
let outOfOrder = 0;
let repeated = 0;

/** `at` is when the Delivery was queued; `row` and `seq` are of the ordering benchmark. */
function count(text: string): void {
  received += 1;
  const at = Number(/"at":(\d+)/.exec(text)?.[1] ?? Number.NaN);
  const latencyMs = performance.timeOrigin + performance.now() - at;
  if (Number.isFinite(latencyMs)) {
    const one = Math.min(MAX_CLASS, Math.max(0, Math.round(latencyMs * CLASSES_PER_MS)));
    latencies[one] = (latencies[one] ?? 0) + 1;
  }
}

/** One that comes for the first time comes after every earlier one of its row was answered well. */
function isInOrder(text: string): { row: Set<number>; seq: number } {
  const name = /"row":(\d+)/.exec(text)?.[1] ?? '';
  const seq = Number(/"seq":(\d+)/.exec(text)?.[1] ?? Number.NaN);
  const row = answered.get(name) ?? new Set<number>();
  answered.set(name, row);
  if (row.has(seq)) repeated += 1;
  else if (row.size !== seq) outOfOrder += 1;
  return { row, seq };
}

function answer(request: IncomingMessage, response: ServerResponse, text: string): void {
  const kind = request.url?.split('/')[1];
  if (kind === 'slow') {
    setTimeout(() => response.end(), SLOW_MS);
  } else if (kind === 'drip') {
    response.writeHead(200, { 'content-length': 100_000 });
    const timer = setInterval(() => response.write('x'), DRIP_MS);
    response.on('close', () => clearInterval(timer));
  } else if (kind === 'rows') {
    const { row, seq } = isInOrder(text);
    const isFailing = Math.random() < failShare;
    if (!isFailing) row.add(seq);
    response.statusCode = isFailing ? 500 : 200;
    if (!isFailing) count(text);
    later(() => response.end());
  } else {
    const isFailing = Math.random() < failShare;
    response.statusCode = isFailing ? 500 : 200;
    if (!isFailing) count(text);
    later(() => response.end('ok'));
  }
}

function later(act: () => void): void {
  if (delayMs === 0) act();
  else setTimeout(act, delayMs);
}

const server = createServer((request, response) => {
  let text = '';
  request.setEncoding('latin1').on('data', (chunk: string) => {
    text += chunk;
  });
  request.on('end', () => answer(request, response, text));
});
server.keepAliveTimeout = 60_000;
const blackhole = createTcpServer((socket) => socket.on('error', () => undefined).resume());

function tell(message: ReceiverPorts | Arrivals): void {
  process.send?.(message);
}

function arrivals(): Arrivals {
  const total = latencies.reduce((sum, one) => sum + one, 0);
  const at = (share: number) => {
    let seen = 0;
    for (const [one, n] of latencies.entries()) {
      seen += n;
      if (seen >= total * share) return one / CLASSES_PER_MS;
    }
    return Number.NaN;
  };
  const distinct = [...answered.values()].reduce((sum, row) => sum + row.size, 0);
  return { received, p50: at(0.5), p95: at(0.95), p99: at(0.99), outOfOrder, repeated, distinct };
}

process.on('message', (order: ReceiverOrder) => {
  if (order.kind === 'clear') {
    latencies = new Uint32Array(MAX_CLASS + 1);
    received = 0;
    answered = new Map();
    outOfOrder = 0;
    repeated = 0;
    failShare = order.failShare ?? 0;
    delayMs = order.delayMs ?? 0;
  }
  tell(arrivals());
});
process.on('disconnect', () => process.exit());

const portOf = (address: ReturnType<typeof server.address>) =>
  typeof address === 'object' && address !== null ? address.port : 0;
server.listen(0, '127.0.0.1', () => {
  blackhole.listen(0, '127.0.0.1', () => {
    tell({ port: portOf(server.address()), blackhole: portOf(blackhole.address()) });
  });
});
