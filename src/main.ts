#!/usr/bin/env node
/** The edge of the process: arguments, streams, signals and the exit code. */
import { createInterface } from 'node:readline/promises';
import { text } from 'node:stream/consumers';
import { runCli } from './cli.ts';

/** How long connections may take to close once all is done. */
const LINGER_MS = 1_000;

const stop = new AbortController();
let signals = 0;
for (const signal of ['SIGINT', 'SIGTERM'] as const) {
  process.on(signal, () => {
    signals += 1;
    // The second signal means now.
    if (signals > 1) process.exit(130);
    stop.abort();
  });
}

// Whoever reads our output may go away first, as `head` does.
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code === 'EPIPE') process.exit(0);
});

process.exitCode = await runCli(process.argv.slice(2), {
  env: process.env,
  out: (text) => void process.stdout.write(text),
  err: (text) => void process.stderr.write(text),
  readInput: () => text(process.stdin),
  ask: async (question) => {
    const terminal = createInterface({ input: process.stdin, output: process.stdout });
    try {
      return await terminal.question(question, { signal: stop.signal });
    } finally {
      terminal.close();
    }
  },
  isTerminal: process.stdout.isTTY === true,
  columns: process.stdout.columns ?? 80,
  // Without a listener SIGHUP ends the process, as it should every command but run.
  onHangup: (callback) => void process.on('SIGHUP', callback),
  signal: stop.signal,
});
// Connections to a service that does not answer would keep a process that was told to stop.
if (stop.signal.aborted) setTimeout(() => process.exit(), LINGER_MS).unref();
