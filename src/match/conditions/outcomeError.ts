/** Puts an outcome that is neither a match nor none into the words of walhook's errors. */
import { WalhookError } from '../../core/errors.ts';
import type { Outcome } from './evaluate.ts';

/** The error to report; null where the conditions are decided. Holds no row data. */
export function outcomeError(outcome: Outcome): WalhookError | null {
  switch (outcome.kind) {
    case 'error': {
      const { code, attr, at, why } = outcome.error;
      return new WalhookError(code, `${at}: the condition on ${JSON.stringify(attr)} failed: ${why}`);
    }
    case 'unavailable': {
      const missing = outcome.missing.map(({ path, reason }) => `${JSON.stringify(path)} (${reason})`);
      const message = `the conditions hang on what the Event does not have: ${missing.join(', ')}`;
      return new WalhookError('CONDITION_UNAVAILABLE', message);
    }
    default:
      return null;
  }
}
