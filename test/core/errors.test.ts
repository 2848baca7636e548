import { describe, expect, it } from 'vitest';
import { causeCode, errorCatalogue, toWalhookError, WalhookError } from '../../src/core/errors.ts';

describe('the catalogue of errors', () => {
  it.each(Object.entries(errorCatalogue))('%s says what it means and what repairs it', (code, entry) => {
    expect(code).toMatch(/^[A-Z]+(_[A-Z]+)*$/);
    expect(entry.meaning).toMatch(/^[A-Z].*\.$/);
    expect(entry.remedy).not.toBe('');
    expect([1, 2, 3]).toContain(entry.exit);
  });
});

describe('an error', () => {
  it('takes the exit code and the remedy of its entry', () => {
    const error = new WalhookError('WAL_LEVEL', 'expected logical, found replica');
    expect(error).toMatchObject({
      name: 'WalhookError',
      code: 'WAL_LEVEL',
      exitCode: 1,
      message: 'expected logical, found replica',
      remedy: errorCatalogue.WAL_LEVEL.remedy,
    });
    expect('cause' in error).toBe(false);
  });

  it('keeps a remedy and a cause of its own', () => {
    const cause = new Error('refused');
    const error = new WalhookError('QUEUE_UNREACHABLE', 'm', { remedy: 'r', cause });
    expect(error).toMatchObject({ remedy: 'r', cause, exitCode: 3 });
  });

  it.each([
    ['an Error', new Error('first line\nsecond line'), 'first line'],
    ['a text', 'text\nmore', 'text'],
    ['nothing', undefined, 'undefined'],
    ['null', null, 'null'],
    ['an object', Object.assign(Object.create({ toString: (): string => 'described' }), {}), 'described'],
  ])('becomes UNEXPECTED from %s, and keeps it as its cause', (_what, thrown, message) => {
    const error = toWalhookError(thrown);
    expect(error).toMatchObject({ code: 'UNEXPECTED', message });
    if (thrown !== undefined) expect(error.cause).toBe(thrown);
  });

  it('passes through as it is when it has a code already', () => {
    const error = new WalhookError('USAGE', 'm');
    expect(toWalhookError(error)).toBe(error);
  });

  it.each<[unknown, string | null]>([
    [{ code: '42P01' }, '42P01'],
    [Object.assign(new Error('e'), { code: 'ECONNREFUSED' }), 'ECONNREFUSED'],
    [{ code: 1 }, null],
    [new Error('e'), null],
    [null, null],
    ['ECONNREFUSED', null],
    [undefined, null],
  ])('names the code of %o: %s', (error, code) => {
    expect(causeCode(error)).toBe(code);
  });
});
