import type { Pool } from 'pg';
import { describe, expect, it } from 'vitest';
import { brakeRows, readBrakedRows } from '../../src/capture/rowBrakes.ts';
import type { Clock } from '../../src/core/clock.ts';
import { SILENT } from '../../src/core/logger.ts';
import type { NoteStore } from '../../src/queue/notes.ts';

/** One look for each entry: ids that the stream has told of as enabled, and those enabled in the table. */
async function notedAfter(
  looks: readonly { told: string[]; table: string[] | Error }[],
): Promise<string[][]> {
  const noted: string[][] = [];
  const notes = new Map<string, string>();
  const store: NoteStore = {
    notes: async () => notes,
    putNote: async (key, value) => {
      notes.set(key, value ?? '');
      return true;
    },
  };
  const abort = new AbortController();
  let at = 0;
  const clock: Clock = {
    now: () => 0,
    monotonic: () => 0,
    sleep: async () => {
      noted.push([...(await readBrakedRows(store))]);
      at += 1;
      if (at >= looks.length) abort.abort();
    },
  };
  const pool = {
    query: async (_sql: string, [known]: [string[]]) => {
      const table = looks[at]?.table ?? [];
      if (table instanceof Error) throw table;
      return { rows: table.filter((id) => known.includes(id)).map((id) => ({ id })) };
    },
  } as unknown as Pool;
  const rows = {
    get enabledIds() {
      return looks[at]?.told ?? [];
    },
  };
  await brakeRows({ pool, store, rows, clock, log: SILENT }, abort.signal);
  return noted;
}

describe('rows that are disabled or gone in the table', () => {
  it('wait before the stream tells of it, and a moment longer', async () => {
    const looks = [
      { told: ['1', '2'], table: ['1', '2'] },
      { told: ['1', '2'], table: ['1'] },
      { told: ['1'], table: ['1'] },
      { told: ['1'], table: ['1'] },
    ];
    expect(await notedAfter(looks)).toEqual([[], ['2'], ['2'], []]);
  });

  it('go on once they are enabled again', async () => {
    const looks = [
      { told: ['1'], table: [] },
      { told: ['1'], table: ['1'] },
    ];
    expect(await notedAfter(looks)).toEqual([['1'], []]);
  });

  it('stay as they are noted while the database does not answer', async () => {
    const looks = [
      { told: ['1'], table: [] },
      { told: ['1'], table: new Error('gone') },
    ];
    expect(await notedAfter(looks)).toEqual([['1'], ['1']]);
  });

  it('are not looked at again where they may not be read', async () => {
    const refused = Object.assign(new Error('permission denied'), { code: '42501' });
    expect(
      await notedAfter([
        { told: ['1'], table: refused },
        { told: ['1'], table: [] },
      ]),
    ).toEqual([]);
  });
});
