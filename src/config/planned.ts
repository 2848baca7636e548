/**
 * Keys of the documented configuration that this version does not have yet. They are refused by name:
 * a key that is accepted and ignored would promise what does not happen.
 */
import type { Path } from './mistakes.ts';

const PLANNED: readonly string[] = [
  'queue.encryption_key',
  'queue.require_noeviction',
  'admin',
  ...['webhooks.*', 'defaults'].flatMap((parent) => ['brake', 'backlog'].map((key) => `${parent}.${key}`)),
  'alerts',
  'retention',
  'log.payloads',
];

const planned = new Set(PLANNED);

/** Whether a key is documented but not available in this version. */
export function isPlanned(path: Path): boolean {
  return planned.has(path.map((part) => (typeof part === 'number' ? '*' : part)).join('.'));
}
