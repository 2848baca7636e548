/** What the peers share: where what is fetched for them is kept, and running the tools that fetch it. */
import { execFileSync } from 'node:child_process';
import { homedir } from 'node:os';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import type { Place } from '../contest/contender.ts';
import { type Program, startProgram } from '../contest/processes.ts';

/** Outside of the checkout: nothing of the peers is part of it. */
export function cacheFolder(): string {
  return process.env['BENCH_PEERS'] ?? path.join(homedir(), '.cache', 'walhook-bench-peers');
}

/** Runs a tool; its complaints are shown. Throws if it fails or is not there. */
export function run(command: string, args: readonly string[], env: Record<string, string> = {}): void {
  execFileSync(command, [...args], {
    stdio: ['ignore', 'ignore', 'inherit'],
    env: { ...process.env, ...env },
  });
}

export async function untilSlotIsActive(place: Place, program: Program): Promise<void> {
  const deadline = performance.now() + 120_000;
  for (;;) {
    const [slot] = await place.sql('select active from pg_replication_slots where slot_name = $1', [
      place.slot,
    ]);
    if (slot?.['active'] === true) return;
    if (program.hasEnded() || performance.now() > deadline) {
      await program.kill();
      throw new Error(`it does not capture: ${program.log().slice(-2_000)}`);
    }
    await sleep(50);
  }
}

/** What a program of ours is told on its command line. */
export interface NodePeer {
  readonly url: string;
  readonly slot: string;
  readonly publication: string;
  readonly receiverUrl: string;
  readonly redisUrl: string;
  readonly connections: number;
}

/** One of the peers that are a few lines of JavaScript and read a slot, in a process of its own. */
export async function startStreamingPeer(name: string, place: Place): Promise<Program> {
  const program = await startNodePeer(name, place, null);
  await untilSlotIsActive(place, program);
  return program;
}

/** @param ready what it prints when it is ready; null: it is once it runs */
export function startNodePeer(name: string, place: Place, ready: RegExp | null): Promise<Program> {
  const { url, slot, publication, receiverUrl, redisUrl, connections } = place;
  const peer: NodePeer = { url, slot, publication, receiverUrl, redisUrl, connections };
  return startProgram({
    command: process.execPath,
    args: [fileURLToPath(new URL('./nodePeer.js', import.meta.url)), name, JSON.stringify(peer)],
    ready,
  });
}
