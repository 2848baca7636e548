/** Event text at rest: what is sealed is opened by its key alone, and only as it was. */
import { describe, expect, it } from 'vitest';
import { Secret } from '../../src/core/secret.ts';
import { createSealer, NO_SEAL } from '../../src/queue/seal.ts';

const sealerOf = (...keys: readonly string[]) => createSealer(keys.map((key) => new Secret(key)));
const TEXT = '{"name":"Pöer"}';

describe('a sealed text', () => {
  it('shows nothing of what it holds, is never the same twice, and is opened again', () => {
    const sealer = sealerOf('new');
    const sealed = sealer.seal(TEXT);
    expect(sealed).not.toContain('name');
    expect(sealer.seal(TEXT)).not.toBe(sealed);
    expect(sealer.open(sealed)).toBe(TEXT);
    expect(sealer.open(TEXT)).toBe(TEXT);
  });

  it('is opened by each key of a list, and by no other', () => {
    const sealed = sealerOf('old').seal(TEXT);
    expect(sealerOf('new', 'old').open(sealed)).toBe(TEXT);
    for (const sealer of [sealerOf('new'), NO_SEAL]) {
      expect(() => sealer.open(sealed)).toThrow(expect.objectContaining({ code: 'QUEUE_KEY_MISSING' }));
    }
  });

  it('that was altered anywhere is refused', () => {
    const sealer = sealerOf('new');
    const sealed = sealer.seal(TEXT);
    const mark = sealed.lastIndexOf(':') + 1;
    const bytes = Buffer.from(sealed.slice(mark), 'base64');
    for (let at = 0; at < bytes.length; at += 1) {
      const altered = Buffer.from(bytes);
      altered[at] = (altered[at] ?? 0) ^ 1;
      expect(() => sealer.open(sealed.slice(0, mark) + altered.toString('base64'))).toThrow(
        expect.objectContaining({ code: 'QUEUE_JOB_DAMAGED' }),
      );
    }
  });
});
