import { describe, expect, it } from 'vitest';
import { type LoadedConfig, loadConfig } from '../../src/config/load.ts';
import { createLogger } from '../../src/core/logger.ts';
import { FileTargets } from '../../src/definitions/fileTargets.ts';
import { define } from '../../src/definitions/live.ts';

const BASE = { postgres: { url: 'postgres://h/d' }, queue: { url: 'redis://h' } };
const WEBHOOK = { name: 'w', models: ['m'], events: ['created'], url: 'https://a.com/in' };

function load(config: object, env: Readonly<Record<string, string>> = {}): LoadedConfig {
  const { loaded, mistakes } = loadConfig(JSON.stringify({ ...BASE, ...config }), {
    source: { env, readFile: () => 'of a file' },
  });
  if (loaded === null) throw new Error(JSON.stringify(mistakes));
  return loaded;
}

/** What the capturing process publishes of its file, and what another makes of it with its own. */
function followed(theirs: object, ours: object, env: Readonly<Record<string, string>> = {}) {
  let logged = '';
  const write = (text: string) => {
    logged += text;
  };
  const { files } = define(load({ webhooks: [{ ...WEBHOOK, ...theirs }] }, { ...ENV, ...env }), new Map(), 0);
  const log = createLogger({ level: 'info', format: 'json' }, { write });
  const targets = new FileTargets(load(ours, env), log);
  return { files, targets: targets.targets(files), again: targets.targets(files), log: () => logged };
}

const ENV = { TOKEN: 'token-of-theirs', SECRET: 'secret-of-theirs', N: '3' };

describe('a process that delivers and does not capture', () => {
  it('sends as the capturing process says, with the secrets of its own file', () => {
    const { files, targets, again } = followed(
      {
        url: 'https://new.example/{{ model }}',
        secret: '${SECRET}',
        concurrency: '${N}',
        retry: { schedule: ['1s'] },
        body_template: '{{ data.id }}',
      },
      { webhooks: [{ ...WEBHOOK, url: 'https://old.example/', secret: '${SECRET}', concurrency: '${N}' }] },
      { SECRET: 'secret-of-ours', N: '5' },
    );
    expect(JSON.stringify(files)).not.toContain('secret-of-theirs');
    const [target] = targets;
    expect(target).toMatchObject({
      key: 'w',
      origin: 'https://new.example',
      concurrency: 5,
      retry: { scheduleMs: [1_000] },
    });
    expect(target?.secrets.map((one) => one.reveal())).toEqual(['secret-of-ours']);
    // What has not changed is the same object: requests in flight are left alone.
    expect(again[0]).toBe(target);
  });

  it('knows webhooks that its own file does not, where they need no secret of it', () => {
    const { targets } = followed({}, {});
    expect(targets).toMatchObject([{ key: 'w', origin: 'https://a.com', writtenLoopback: null }]);
  });

  it.each([
    ['a secret', { secret: 'literal-secret' }, /expected secret in/],
    [
      'a header that spells a credential out',
      { additional_headers: 'Authorization: Bearer abcdefgh' },
      /additional_headers/,
    ],
    ['a password in the URL', { url: 'https://u:pass-word@a.com/' }, /expected url in/],
    ['a proxy', { proxy: 'http://u:pass-word@p:1' }, /expected proxy in/],
    ['a variable that its own file does not name', { body_template: '${TOKEN}' }, /does not name TOKEN/],
  ])('leaves Deliveries waiting where its own file lacks %s, which is not published', (_what, theirs, said) => {
    const { files, targets, log } = followed(theirs, { webhooks: [] }, { TOKEN: 'token-of-ours' });
    expect(targets).toEqual([]);
    expect(log()).toMatch(said);
    for (const text of ['literal-secret', 'abcdefgh', 'pass-word', 'token-of']) {
      expect(JSON.stringify(files) + log()).not.toContain(text);
    }
  });

  it('takes what spells a credential out from its own file', () => {
    const mine = { ...WEBHOOK, additional_headers: 'Authorization: Bearer of-ours-1' };
    const { targets } = followed(
      { additional_headers: 'Authorization: Bearer of-theirs' },
      { webhooks: [mine] },
    );
    expect(targets[0]?.headers?.render({})).toBe('Authorization: Bearer of-ours-1');
  });

  it('keeps out of the record of Attempts what variables and its own credentials stand for', () => {
    const texts = { body_template: '${TOKEN}', additional_headers: 'Authorization: Bearer of-ours-1' };
    const mine = { ...WEBHOOK, ...texts };
    const { targets } = followed(texts, { webhooks: [mine] }, { TOKEN: 'token-of-ours' });
    const confided = targets[0]?.confidential?.map((one) => one.reveal()) ?? [];
    expect(confided).toEqual(expect.arrayContaining(['token-of-ours', 'of-ours-1']));
  });

  it('goes to a loopback address only where its own file writes it', () => {
    const url = 'http://127.0.0.1:9000/';
    expect(followed({ url }, {}).targets[0]?.writtenLoopback).toBeNull();
    expect(followed({ url }, { webhooks: [{ ...WEBHOOK, url }] }).targets[0]?.writtenLoopback).not.toBeNull();
  });
});
