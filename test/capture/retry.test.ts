import { describe, expect, it } from 'vitest';
import { captureError, retryAfter } from '../../src/capture/retry.ts';
import { type ErrorCode, WalhookError } from '../../src/core/errors.ts';

const failed = (code: ErrorCode, state?: string) =>
  new WalhookError(code, 'x', {
    cause: state === undefined ? undefined : Object.assign(new Error('y'), { code: state }),
  });

describe('after a failure', () => {
  it.each([
    ['a slot in use', failed('SLOT_IN_USE', '55006'), 1, 200, 'info'],
    ['a slot in use for long', failed('SLOT_IN_USE', '55006'), 100, 1_000, 'error'],
    ['a server that shuts down', failed('REPLICATION_STOPPED', '57P01'), 1, 200, 'warn'],
    ['a server that starts', failed('POSTGRES_UNREACHABLE', '57P03'), 9, 5_000, 'error'],
    ['too many connections', failed('POSTGRES_UNREACHABLE', '53300'), 1, 2_000, 'warn'],
    ['a refused password', failed('POSTGRES_AUTHENTICATION', '28P01'), 1, 10_000, 'error'],
    ['a password refused again and again', failed('POSTGRES_AUTHENTICATION', '28P01'), 9, 300_000, 'error'],
    ['a slot that is lost', failed('SLOT_LOST', '55000'), 9, 60_000, 'error'],
    ['a slot that is missing', failed('SLOT_MISSING', '42704'), 1, 5_000, 'error'],
    ['a server that does not answer', failed('POSTGRES_UNREACHABLE', 'ECONNREFUSED'), 30, 10_000, 'error'],
    ['a queue that does not answer', failed('QUEUE_UNREACHABLE'), 30, 10_000, 'error'],
    ['anything else', failed('REPLICATION_STOPPED'), 1, 200, 'warn'],
    ['anything else for long', failed('REPLICATION_STOPPED'), 30, 30_000, 'error'],
  ] as const)('%s is tried again in its own time', (_, error, tries, fullMs, level) => {
    expect(retryAfter(error, tries, 0)).toEqual({ delayMs: fullMs / 2, level });
    expect(retryAfter(error, tries, 0.999_999).delayMs).toBe(fullMs);
  });

  it('finds the state under the causes', () => {
    const inner = failed('POSTGRES_UNREACHABLE', '53300');
    const outer = new WalhookError('UNEXPECTED', 'z', { cause: inner });
    expect(retryAfter(outer, 1, 0).delayMs).toBe(1_000);
  });
});

describe('what a look-up throws', () => {
  const plain = (code?: string) => Object.assign(new Error('text'), code === undefined ? {} : { code });
  class DatabaseError extends Error {
    readonly code: string;
    constructor(code: string) {
      super('text');
      this.code = code;
    }
  }

  it.each([
    ['a connection that broke', plain(), 'POSTGRES_UNREACHABLE'],
    ['a connection that was refused', plain('ECONNREFUSED'), 'POSTGRES_UNREACHABLE'],
    ['a pipe that broke', plain('EPIPE'), 'POSTGRES_UNREACHABLE'],
    ['a server that is stopped', new DatabaseError('57P01'), 'POSTGRES_UNREACHABLE'],
    ['a server without room', new DatabaseError('53300'), 'POSTGRES_UNREACHABLE'],
    ['a statement that is refused', new DatabaseError('42703'), 'UNEXPECTED'],
    ['a mistake of ours', new TypeError('text'), 'UNEXPECTED'],
    ['what has its code', failed('SLOT_LOST'), 'SLOT_LOST'],
  ])('%s is told by its code', (_, error, code) => {
    expect(captureError(error)).toMatchObject({ code });
  });
});
