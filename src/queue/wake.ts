/**
 * How processes that share a store tell each other about new work: `sender|webhook,webhook`. A flush names
 * its sender, who knows already; an empty sender means everyone.
 */
import { randomBytes } from 'node:crypto';

/** Tells one connected store from the others. */
export function newSender(): string {
  return randomBytes(6).toString('hex');
}

/** The Webhooks a message names, unless it is one's own. */
export function readWake(message: string, self: string): string[] {
  const bar = message.indexOf('|');
  if (bar < 0 || message.slice(0, bar) === self) return [];
  return message
    .slice(bar + 1)
    .split(',')
    .filter((webhook) => webhook !== '');
}
