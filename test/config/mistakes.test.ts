import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { editDistance, formatPath, suggestion } from '../../src/config/mistakes.ts';

describe('a path', () => {
  it.each([
    [[], ''],
    [['queue'], 'queue'],
    [['webhooks', 0, 'events', 1], 'webhooks[0].events[1]'],
    [['models', 12], 'models[12]'],
    [['context', 0, 'columns', 'username'], 'context[0].columns.username'],
  ])('%j reads %j', (path, text) => {
    expect(formatPath(path)).toBe(text);
  });
});

describe('the distance of two words', () => {
  it.each([
    ['', '', 0],
    ['', 'abc', 3],
    ['abc', '', 3],
    ['events', 'event', 1],
    ['kitten', 'sitting', 3],
    ['concurency', 'concurrency', 1],
    ['secret', 'secret', 0],
  ])('%j and %j: %i', (a, b, distance) => {
    expect(editDistance(a, b)).toBe(distance);
  });

  it('is a metric', () => {
    const word = fc.string({ maxLength: 12 });
    fc.assert(
      fc.property(word, word, word, (a, b, c) => {
        expect(editDistance(a, b)).toBe(editDistance(b, a));
        expect(editDistance(a, b) === 0).toBe(a === b);
        expect(editDistance(a, c)).toBeLessThanOrEqual(editDistance(a, b) + editDistance(b, c));
        expect(editDistance(a, b)).toBeLessThanOrEqual(Math.max(a.length, b.length));
      }),
    );
  });
});

describe('a suggestion', () => {
  const known = ['name', 'models', 'events', 'url', 'concurrency'];

  it.each([
    ['event', '; did you mean events?'],
    ['Events', '; did you mean events?'],
    ['concurent', '; did you mean concurrency?'],
    ['moddel', '; did you mean models?'],
    ['completely_else', '; known are name, models, events, url, concurrency'],
  ])('for %j: %s', (key, text) => {
    expect(suggestion(key, known)).toBe(text);
  });

  it('is none where no key is known', () => {
    expect(suggestion('any', [])).toBe('');
  });
});
