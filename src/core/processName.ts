/**
 * What a process is called among all that share a queue, and whether one of that name has ended.
 *
 * Linux says where and since when a process runs: the boot, the namespace of its pid and its start. With that in its
 * name, whoever runs in the same place knows at once that it was killed, where all others wait for its silence.
 * Elsewhere, and of processes in other containers, nothing is known.
 */
import { randomBytes } from 'node:crypto';
import { readFileSync, readlinkSync } from 'node:fs';
import { hostname } from 'node:os';
import { causeCode } from './errors.ts';
import { hash8 } from './hash.ts';

/** `host-pid-start@place-random`, or `host-pid-random` where the system does not tell its place. */
const NAME = /-(\d+)-(\d+)@([0-9a-f]{8})-[0-9a-f]{6}$/;

/** Tells apart the processes of one queue, also two with the same pid on hosts of one name. */
export function processName(): string {
  const place = placeOfPids();
  const stat = place === null ? null : statOf(process.pid);
  const where = stat === null ? '' : `-${stat.start}@${place}`;
  return `${hostname()}-${process.pid}${where}-${randomBytes(3).toString('hex')}`;
}

/** Whether the process of that name has certainly ended. false: it runs, or nothing is known of it. */
export function hasEnded(name: string): boolean {
  const [, pid, start, place] = NAME.exec(name) ?? [];
  if (pid === undefined || place !== placeOfPids()) return false;
  if (!exists(Number(pid))) return true;
  // Of another user's process nothing may be visible; that it is there is.
  const stat = statOf(Number(pid));
  return stat !== null && (stat.start !== start || stat.isDead);
}

/** Where pids mean the same processes, as 8 hex digits; null where that cannot be told. */
function placeOfPids(): string | null {
  try {
    const boot = readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim();
    return hash8([boot, readlinkSync('/proc/self/ns/pid'), hostname()].join(' '));
  } catch {
    return null;
  }
}

/** By proc(5): the state and, in ticks since the boot, the start of a process; null where it is not to be seen. */
function statOf(pid: number): { readonly start: string; readonly isDead: boolean } | null {
  try {
    const text = readFileSync(`/proc/${pid}/stat`, 'utf8');
    // The name before it may hold anything.
    const fields = text.slice(text.lastIndexOf(')') + 2).split(' ');
    const [state = '', start] = [fields[0], fields[19]];
    return start === undefined ? null : { start, isDead: state === 'Z' || state === 'X' };
  } catch {
    return null;
  }
}

function exists(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return causeCode(error) !== 'ESRCH';
  }
}
