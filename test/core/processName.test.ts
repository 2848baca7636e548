import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { hasEnded, processName } from '../../src/core/processName.ts';

const startOf = (pid: number) =>
  readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1]?.split(' ')[19] ?? '';

describe('a process', () => {
  it('has a name of its own each time', () => {
    expect(processName()).not.toBe(processName());
    expect(processName()).toContain(`-${process.pid}-`);
  });

  it('has not ended while it runs', () => {
    expect(hasEnded(processName())).toBe(false);
  });

  it.each([
    ['is a name of an older version', 'host-1-0badca'],
    ['ran on another machine', 'host-999999999-1@00000000-0badca'],
    ['is no name', ''],
  ])('is not known to have ended when it %s', (_what, name) => {
    expect(hasEnded(name)).toBe(false);
  });

  describe.skipIf(!existsSync('/proc/self/ns/pid'))('of this machine', () => {
    /** A name of this machine for another pid and start. */
    const named = (pid: number, start: string) => processName().replace(/-\d+-\d+@/, `-${pid}-${start}@`);

    it('has ended from when it was killed', async () => {
      const child = spawn('sleep', ['60']);
      const pid = child.pid ?? 0;
      const name = named(pid, startOf(pid));
      expect(hasEnded(name)).toBe(false);
      child.kill('SIGKILL');
      await once(child, 'exit');
      expect(hasEnded(name)).toBe(true);
    });

    it('has not ended while it is stopped', async () => {
      const child = spawn('sleep', ['60']);
      const pid = child.pid ?? 0;
      child.kill('SIGSTOP');
      expect(hasEnded(named(pid, startOf(pid)))).toBe(false);
      child.kill('SIGKILL');
      await once(child, 'exit');
    });

    it('has ended when its pid is that of a process that began at another time', () => {
      const start = startOf(process.pid);
      expect(hasEnded(named(process.pid, start))).toBe(false);
      expect(hasEnded(named(process.pid, String(Number(start) - 1)))).toBe(true);
    });
  });
});
