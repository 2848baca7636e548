import { describe, expect, it } from 'vitest';
import { loadConfig } from '../../src/config/load.ts';
import type { Json } from '../../src/core/json.ts';
import { isHostAllowed, judgeRow, mistakesOfRow, rowRulesOf } from '../../src/definitions/defineRow.ts';

const FILE = {
  postgres: { url: 'postgres://h/d' },
  queue: { url: 'redis://h' },
  rows: { allow_hosts: ['hooks.example.com', '*.example.org'] },
  secrets: { ours: ['new', 'old'] },
  defaults: {
    timeout: '3s',
    secret: 'of the file',
    proxy: 'http://proxy:3128',
    concurrency: 2,
    additional_headers: 'Authorization: Bearer of-the-file',
    body_template: 'of the file',
  },
  models: [{ name: 'orders', table: 'public.orders', exclude: ['password'] }],
};

function rulesOf(more: object = {}) {
  const { loaded, mistakes } = loadConfig(JSON.stringify({ ...FILE, ...more }), {
    source: { env: { SECRET: 'of the environment' }, readFile: () => '' },
  });
  if (loaded === null) throw new Error(JSON.stringify(mistakes));
  return rowRulesOf(loaded.config);
}

const PLAIN = { name: 'a', models: ['orders'], events: ['created'], url: 'https://hooks.example.com/x' };
const rowOf = (more: Record<string, Json> = {}) => ({ id: '1', values: { ...PLAIN, ...more } });

describe('a row', () => {
  it('is a webhook with the defaults of the file, but for what only the file may say', () => {
    const judged = judgeRow(rowOf({ concurrency: 4 }), 'a', rulesOf());
    if (judged.kind !== 'valid') throw new Error(judged.problems.join());
    const { match, deliver } = judged.definition;
    expect(match).toMatchObject({
      key: 'a',
      name: 'a',
      enabled: true,
      models: ['orders'],
      events: ['created'],
    });
    expect(deliver).toMatchObject({
      timeoutMs: 3_000,
      concurrency: 4,
      secrets: [],
      proxy: null,
      headers: null,
      body: null,
      tls: { ca: null, cert: null, key: null, verify: true },
    });
  });

  it('signs with the secrets that it names, the newest first', () => {
    const judged = judgeRow(rowOf({ secret_name: 'ours' }), 'a', rulesOf());
    const secrets = judged.kind === 'valid' ? judged.definition.deliver.secrets : [];
    expect(secrets.map((secret) => secret.reveal())).toEqual(['new', 'old']);
  });

  it('is bound by the address policy even where it writes a loopback address', () => {
    const judged = judgeRow(rowOf({ url: 'http://127.0.0.1:9000/' }), 'a', rulesOf({ rows: {} }));
    expect(judged).toMatchObject({ kind: 'valid', definition: { deliver: { writtenLoopback: null } } });
  });

  it('takes what looks like a variable as it is written', () => {
    const judged = judgeRow(rowOf({ body_template: '${SECRET}' }), 'a', rulesOf());
    const body = judged.kind === 'valid' ? judged.definition.deliver.body : null;
    expect(body?.isConstant).toBe(true);
    expect(JSON.stringify(judged)).not.toContain('of the environment');
  });

  it.each<[string, Record<string, Json>, RegExp]>([
    ['an unknown event', { events: ['made'] }, /^events\[0\]: expected one of/],
    ['a type that it should not have', { models: '{orders' }, /^models: expected a list/],
    ['a name that is too long', { name: 'x'.repeat(151) }, /^name: expected at most 150/],
    ['a template that cannot be compiled', { body_template: '{{ data.id' }, /^body_template: /],
    ['a condition that cannot be parsed', { conditions: { attr: 'a', op: 'like' } }, /^conditions/],
    ['a duration that is none', { timeout: 'soon' }, /^timeout: expected a duration/],
    ['a retry of another shape', { retry: { schedule: ['5s'], more: 1 } }, /^retry\.more: unknown key/],
    [
      'a host that is not allowed',
      { url: 'https://evil.example.net/' },
      /rows\.allow_hosts names, found evil/,
    ],
    [
      'a host that a template has a say in',
      { url: 'https://{{ data.host }}/', allow_templated_host: true },
      /^url: expected a host that no template has a say in/,
    ],
    ['a secret that is not defined', { secret_name: 'theirs' }, /^secret_name: expected a name that secrets/],
    ['a secret called as a property', { secret_name: 'constructor' }, /^secret_name: /],
    ['a secret', { secret: 'mine' }, /^secret: unknown key/],
    ['a file', { ca_file_path: '/etc/passwd' }, /^ca_file_path: unknown key/],
    ['a proxy', { proxy: 'http://proxy:3128' }, /^proxy: unknown key/],
    ['the environment', { body_template: "{{ 'HOME' | env }}" }, /^body_template: expected no env filter/],
    [
      'the environment in a header',
      { additional_headers: "A: {% if 'X'|env %}b{% endif %}" },
      /no env filter/,
    ],
    ['a column that its model excludes', { body_template: '{{ data.password }}' }, /exclude of orders/],
    ['a column of a newer version', { priority: 'high' }, /^priority: unknown key/],
  ])('is refused for %s', (_what, more, message) => {
    const found = mistakesOfRow(rowOf(more), rulesOf());
    expect(found).toEqual(expect.arrayContaining([expect.stringMatching(message)]));
    expect(judgeRow(rowOf(more), 'a', rulesOf()).kind).toBe('invalid');
  });

  it('tells every mistake at once', () => {
    const found = mistakesOfRow(rowOf({ events: [], secret_name: 'no', timeout: '1d' }), rulesOf());
    expect(found.map((one) => one.split(':')[0])).toEqual(['events', 'timeout', 'secret_name']);
  });

  it('may say env where it is no filter', () => {
    expect(mistakesOfRow(rowOf({ body_template: 'a | env {{ data.env }}' }), rulesOf())).toEqual([]);
  });
});

describe('a host', () => {
  it.each([
    ['a.com', ['*'], true],
    ['a.com', ['a.com'], true],
    ['A.com.', ['a.com'], true],
    ['b.a.com', ['*.a.com'], true],
    ['c.b.a.com', ['*.a.com'], true],
    ['a.com', ['*.a.com'], false],
    ['ba.com', ['*.a.com'], false],
    ['a.com.evil.net', ['a.com', '*.a.com'], false],
    ['[::1]', ['[::1]'], true],
    ['a.com', [], false],
  ])('%s of %j: %s', (host, allowed, expected) => {
    expect(isHostAllowed(host, allowed)).toBe(expected);
  });
});
