/** The cases with known answers, through the command as a user would run it. */
import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { type Json, type JsonObject, parseJson, stringifyJson } from '../../src/core/json.ts';
import { configFolder } from '../helpers/command.ts';
import { inProcess } from '../helpers/inProcess.ts';

interface Case {
  readonly id: string;
  readonly ruleset: Json;
  readonly mode: string;
  readonly data: Json;
  readonly snapshots?: Json;
  readonly expect: 'match' | 'no_match' | 'error' | 'invalid';
}

const cases = parseJson(
  readFileSync(new URL('../conformance/conditions.json', import.meta.url), 'utf8'),
) as unknown as readonly Case[];

const EXIT = { match: 0, no_match: 0, error: 1, invalid: 2 };

function eventOf({ data, snapshots }: Case): JsonObject {
  const event: JsonObject = { event: 'updated', model: 'thing', data };
  return snapshots === undefined ? event : { ...event, snapshots };
}

async function answer(known: Case): Promise<{ code: number | null; result: string }> {
  const webhook = {
    name: 'w',
    models: ['thing'],
    events: ['updated'],
    url: 'http://example.com/',
    conditions: known.ruleset,
    conditions_mode: known.mode,
  };
  await using folder = await configFolder(stringifyJson({ webhooks: [webhook] }));
  const done = await inProcess(['try', '-c', folder.file, '--webhook', 'w', '--event', '-'], {
    input: stringifyJson(eventOf(known)),
  });
  if (done.code === 2) {
    expect(done.stderr).toMatch(/^CONFIG_INVALID: .*\n {2}\S+:1: webhooks\[0\]\.conditions/);
    return { code: 2, result: 'invalid' };
  }
  const { matched, error, request } = JSON.parse(done.stdout) as {
    matched: boolean;
    error: { code: string } | null;
    request: unknown;
  };
  expect(request === null).toBe(!matched);
  if (error !== null) expect(error.code).toBe('CONDITION_FAILED');
  return { code: done.code, result: error === null ? (matched ? 'match' : 'no_match') : 'error' };
}

describe('walhook try on the conformance cases', () => {
  it.each(cases)('$id in $mode mode: $expect', async (known) => {
    expect(await answer(known)).toEqual({ code: EXIT[known.expect], result: known.expect });
  });
});
