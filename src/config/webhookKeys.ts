/**
 * The key of a Webhook: what stands in queue names, ids, paths and metrics for a name that may be any text.
 * Derived once and then remembered with the definitions, so that a name added later never takes it.
 */
import { hash8 } from '../core/hash.ts';

export const KEY_PATTERN = /^[a-z0-9-]{1,40}$/;
const MAX_KEY = 40;

/**
 * Keys for names, in the order given.
 *
 * @param remembered name → key of the Webhooks that have one already
 */
export function deriveKeys(
  names: readonly string[],
  remembered: ReadonlyMap<string, string> = new Map(),
): ReadonlyMap<string, string> {
  const keys = new Map<string, string>();
  const taken = new Set(remembered.values());
  for (const name of names) {
    let key = remembered.get(name);
    if (key === undefined) {
      const slug = slugOf(name);
      key = slug !== '' && !taken.has(slug) ? slug : withHash(slug, name, taken);
    }
    taken.add(key);
    keys.set(name, key);
  }
  return keys;
}

function slugOf(name: string): string {
  const ascii = name.normalize('NFKD').replaceAll(/[\u0300-\u036f]/g, '');
  const slug = ascii.toLowerCase().replaceAll(/[^a-z0-9]+/g, '-');
  return slug.slice(0, MAX_KEY).replaceAll(/^-+|-+$/g, '');
}

/** A name may spell out the hashed key of another: then the hash is of the name and a number. */
function withHash(slug: string, name: string, taken: ReadonlySet<string>): string {
  for (let tries = 0; ; tries += 1) {
    const hash = hash8(tries === 0 ? name : `${name}#${tries}`);
    const key = [slug.slice(0, MAX_KEY - 9), hash].filter((part) => part !== '').join('-');
    if (!taken.has(key)) return key;
  }
}
