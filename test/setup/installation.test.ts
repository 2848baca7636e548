import { describe, expect, it } from 'vitest';
import { type Binding, checkBinding, newInstallation } from '../../src/setup/installation.ts';
import { INSTALLATION } from './states.ts';

const IDENTITY = { systemIdentifier: '7', database: 'app', versionNumber: 180_000 };

const binding = (more: Partial<Binding> = {}): Binding => ({
  store: { installation: INSTALLATION, position: 'p', fence: 1, definitions: null },
  recorded: INSTALLATION,
  identity: IDENTITY,
  environment: 'default',
  slot: 'walhook',
  ...more,
});
const boundTo = (changes: Partial<typeof INSTALLATION>) => ({
  installation: { ...INSTALLATION, ...changes },
  position: 'p',
  fence: 1,
  definitions: null,
});

describe('the binding of slot, queue and environment', () => {
  it('holds where everything agrees, and where the database has no record', () => {
    expect(checkBinding(binding())).toEqual(INSTALLATION);
    expect(checkBinding(binding({ recorded: null }))).toEqual(INSTALLATION);
  });

  it.each<[string, string, Partial<Binding>]>([
    ['QUEUE_NOT_SET_UP', 'a queue that holds nothing yet', { store: null, recorded: null }],
    ['NOT_MY_QUEUE', 'a queue that holds nothing though the database is bound to one', { store: null }],
    ['NOT_MY_QUEUE', 'another environment', { environment: 'staging' }],
    ['NOT_MY_QUEUE', 'another slot', { slot: 'other' }],
    ['NOT_MY_QUEUE', 'a queue of another database', { store: boundTo({ database: 'other' }) }],
    ['NOT_MY_QUEUE', 'a queue of another server', { store: boundTo({ systemIdentifier: '8' }) }],
    ['NOT_MY_QUEUE', 'a database of another name', { identity: { ...IDENTITY, database: 'restored' } }],
    ['NOT_MY_QUEUE', 'another server', { identity: { ...IDENTITY, systemIdentifier: '9' } }],
    [
      'NOT_MY_DATABASE',
      'a database set up for another environment',
      { recorded: { ...INSTALLATION, environment: 'production' } },
    ],
    [
      'NOT_MY_DATABASE',
      'a database set up for another queue',
      { recorded: { ...INSTALLATION, queueId: 'q2' } },
    ],
    [
      'NOT_MY_DATABASE',
      'a database of another generation',
      { recorded: { ...INSTALLATION, generation: '11111111' } },
    ],
  ])('is refused with %s for %s', (code, _what, more) => {
    expect(() => checkBinding(binding(more))).toThrow(expect.objectContaining({ code }));
  });

  it('is new each time it is made, and its generation is eight hex digits', () => {
    const made = Array.from({ length: 20 }, () => newInstallation(IDENTITY, 'default', 'walhook'));
    expect(new Set(made.map(({ generation }) => generation)).size).toBe(20);
    expect(new Set(made.map(({ queueId }) => queueId)).size).toBe(20);
    expect(made[0]).toMatchObject({
      environment: 'default',
      slot: 'walhook',
      database: 'app',
      systemIdentifier: '7',
    });
    for (const { generation } of made) expect(generation).toMatch(/^[0-9a-f]{8}$/);
  });
});
