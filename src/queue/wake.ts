/**
 * How processes that share a store tell each other about new work and about what was cancelled.
 *
 * `sender|webhook,webhook`: these have work. A flush names its sender, who knows already; an empty sender
 * means everyone. `!job:mask,job:mask`: of these taken jobs, these Deliveries are not to be sent any more.
 */
import { randomBytes } from 'node:crypto';
import type { CancelledInJob } from './store.ts';

/** Tells one connected store from the others. */
export function newSender(): string {
  return randomBytes(6).toString('hex');
}

export interface WakeListeners {
  readonly onWork: (webhooks: readonly string[]) => void;
  readonly onCancelled: (cancelled: CancelledInJob) => void;
}

/** Calls whom a message concerns; one's own are known already. */
export function hearWake(message: string, self: string, listeners: WakeListeners): void {
  if (message.startsWith('!')) {
    for (const part of message.slice(1).split(',')) {
      const [job = '', mask = ''] = part.split(':');
      if (/^\d+$/.test(mask)) listeners.onCancelled({ job, mask: Number(mask) });
    }
    return;
  }
  const bar = message.indexOf('|');
  if (bar < 0 || message.slice(0, bar) === self) return;
  const webhooks = message
    .slice(bar + 1)
    .split(',')
    .filter((webhook) => webhook !== '');
  if (webhooks.length > 0) listeners.onWork(webhooks);
}
