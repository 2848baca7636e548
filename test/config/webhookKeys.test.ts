import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { deriveKeys, KEY_PATTERN } from '../../src/config/webhookKeys.ts';
import { hash8 } from '../../src/core/hash.ts';
import { publishDefinitions, rememberedKeys } from '../../src/definitions/webhooks.ts';

const name = fc.oneof(
  fc.string({ minLength: 1, maxLength: 150, unit: 'grapheme' }),
  fc.constantFrom('Slack', 'slack', 'SLACK!', 'slack-', '-', '😀', 'ß', 'a'.repeat(40), `${'a'.repeat(40)}b`),
);
const names = fc.uniqueArray(name, { maxLength: 20 });

const keysOf = (list: readonly string[], remembered?: ReadonlyMap<string, string>) =>
  Object.fromEntries(deriveKeys(list, remembered));

describe('the key of a webhook', () => {
  it.each([
    ['slack-ixp-session', 'slack-ixp-session'],
    ['Slack IXP / session!', 'slack-ixp-session'],
    ['  Ünïcode Ärger  ', 'unicode-arger'],
    ['a'.repeat(150), 'a'.repeat(40)],
    [`${'a'.repeat(39)} b`, 'a'.repeat(39)],
    ['日本', hash8('日本')],
    ['😀😀', hash8('😀😀')],
    ['---', hash8('---')],
    ['ﬁle ²', 'file-2'],
  ])('of %s is %s', (text, key) => {
    expect(keysOf([text])).toEqual({ [text]: key });
  });

  it('is one of a kind, of at most forty characters', () => {
    fc.assert(
      fc.property(names, (list) => {
        const keys = [...deriveKeys(list).values()];
        expect(keys).toHaveLength(list.length);
        expect(new Set(keys).size).toBe(list.length);
        for (const key of keys) expect(key).toMatch(KEY_PATTERN);
      }),
    );
  });

  it('carries a hash of the name where another has the plain one', () => {
    expect(keysOf(['Slack', 'slack', 'a'.repeat(50), 'a'.repeat(60)])).toEqual({
      Slack: 'slack',
      slack: `slack-${hash8('slack')}`,
      ['a'.repeat(50)]: 'a'.repeat(40),
      ['a'.repeat(60)]: `${'a'.repeat(31)}-${hash8('a'.repeat(60))}`,
    });
  });

  // Two webhooks would share one queue.
  it('is one of a kind even where a name spells out the hashed key of another', () => {
    const hashed = `slack-${hash8('Slack?')}`;
    const keys = [...deriveKeys(['slack', hashed, 'Slack?']).values()];
    expect(new Set(keys).size).toBe(3);
  });

  it('never moves once it is remembered, whatever is added, removed or reordered', () => {
    fc.assert(
      fc.property(names, names, fc.nat(), (first, second, seed) => {
        const before = deriveKeys(first);
        const later = [...new Set([...second, ...first.filter((_, i) => (seed >> (i % 30)) % 2 === 0)])];
        const after = deriveKeys(later, before);
        for (const one of later) {
          const known = before.get(one);
          if (known !== undefined) expect(after.get(one)).toBe(known);
        }
        expect(new Set(after.values()).size).toBe(later.length);
      }),
    );
  });

  it('is not given to another while it is remembered, though its webhook is gone', () => {
    expect(keysOf(['Slack'], new Map([['slack', 'slack']]))).toEqual({ Slack: `slack-${hash8('Slack')}` });
  });
});

describe('the keys that the store remembers', () => {
  const definitions = (list: readonly string[], published: string | null) =>
    publishDefinitions(
      [...deriveKeys(list, rememberedKeys(published))].map(
        ([one, key]) =>
          ({
            match: { name: one, key, enabled: true, models: ['*'], events: ['created'] },
          }) as unknown as Parameters<typeof publishDefinitions>[0][number],
      ),
      rememberedKeys(published),
    );

  it('are those that were published', () => {
    expect(rememberedKeys(null)).toEqual(new Map());
    expect(rememberedKeys(definitions(['Slack', 'slack'], null))).toEqual(
      new Map([
        ['Slack', 'slack'],
        ['slack', `slack-${hash8('slack')}`],
      ]),
    );
  });

  // The removed webhook's Deliveries still wait under its key; whoever gets the key gets them sent.
  it('outlive their webhook, so that its waiting Deliveries go to nobody else', () => {
    const first = definitions(['Slack!'], null);
    const second = definitions(['other'], first);
    const third = rememberedKeys(definitions(['Slack?', 'other'], second));
    expect(third.get('Slack?')).not.toBe('slack');
    expect(third.get('Slack!')).toBe('slack');
  });

  it('come back with their webhook', () => {
    const gone = definitions(['other'], definitions(['Slack!'], null));
    expect(rememberedKeys(definitions(['Slack!', 'other'], gone))).toEqual(
      new Map([
        ['Slack!', 'slack'],
        ['other', 'other'],
      ]),
    );
  });
});
