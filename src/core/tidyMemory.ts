/**
 * Gives back what starting up has left behind. Reading and compiling a thousand webhooks takes half as much memory
 * again as having them does, and an idle process makes too little garbage for the engine to look at it again.
 */
import { causeCode } from './errors.ts';
import type { Logger } from './logger.ts';

/**
 * Collects all garbage once, which holds the event loop up for some tens of milliseconds: for the moment before work
 * begins. Never throws; a Node without its inspector keeps what it has.
 */
export async function tidyMemory(log: Logger): Promise<void> {
  try {
    const { Session } = await import('node:inspector/promises');
    const session = new Session();
    session.connect();
    try {
      await session.post('HeapProfiler.collectGarbage');
    } finally {
      session.disconnect();
    }
  } catch (error) {
    log.debug({ code: causeCode(error) }, 'memory not tidied');
  }
}
