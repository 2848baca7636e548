/**
 * How soon to try again after capturing failed, by the class of the failure. Pure.
 *
 * What ends by itself in a moment (a server that restarts, a slot that is being let go of) is tried again in
 * a moment; what needs a person is asked about rarely, so that a log stays readable; a refused login rarely
 * too, because servers ban addresses that try too often.
 */
import { type BackoffOptions, backoffMs } from '../core/backoff.ts';
import { causeCode, type ErrorCode, toWalhookError, WalhookError } from '../core/errors.ts';

interface RetryClass extends BackoffOptions {
  /** Tries after which it is an error rather than a warning. */
  readonly patience: number;
}

/** Someone else holds what we want, and will let go of it. */
const CONTENDED: RetryClass = { firstMs: 200, maxMs: 1_000, patience: 60 };
/** The server is going down or coming up. */
const RESTARTING: RetryClass = { firstMs: 200, maxMs: 5_000, patience: 6 };
/** The server has no room for one more connection: every try makes it worse. */
const CROWDED: RetryClass = { firstMs: 2_000, maxMs: 60_000, patience: 2 };
const REFUSED: RetryClass = { firstMs: 10_000, maxMs: 300_000, patience: 0 };
/** Only a person can mend it. */
const BROKEN: RetryClass = { firstMs: 5_000, maxMs: 60_000, patience: 0 };
/** Nobody answers: it costs nothing to ask, and what has come back is to be noticed soon. */
const UNREACHABLE: RetryClass = { firstMs: 200, maxMs: 10_000, patience: 3 };
const OTHER: RetryClass = { firstMs: 200, maxMs: 30_000, patience: 3 };

const BY_CODE: Partial<Record<ErrorCode, RetryClass>> = {
  QUEUE_FENCED: CONTENDED,
  SLOT_IN_USE: CONTENDED,
  POSTGRES_AUTHENTICATION: REFUSED,
  QUEUE_UNREACHABLE: UNREACHABLE,
  REPLICATION_PRIVILEGE: BROKEN,
  SLOT_LOST: BROKEN,
  SLOT_MISSING: BROKEN,
  SLOT_FOREIGN: BROKEN,
  OTHER_HISTORY: BROKEN,
  PUBLICATION_MISSING: BROKEN,
  WAL_LEVEL: BROKEN,
};

/** SQLSTATEs that decide where they are the cause: https://www.postgresql.org/docs/current/errcodes-appendix.html */
const BY_STATE: Readonly<Record<string, RetryClass>> = {
  '53300': CROWDED, // too_many_connections
  '53000': CROWDED,
  '53200': CROWDED, // out_of_memory
  '57P01': RESTARTING, // admin_shutdown, also pg_terminate_backend
  '57P02': RESTARTING, // crash_shutdown
  '57P03': RESTARTING, // cannot_connect_now
  '57P05': RESTARTING, // idle_session_timeout
  '28P01': REFUSED, // invalid_password
  '28000': REFUSED,
};

export interface Retry {
  readonly delayMs: number;
  readonly level: 'info' | 'warn' | 'error';
}

/**
 * @param tries failures in a row, this one included
 * @param random a number in [0, 1)
 */
export function retryAfter(error: WalhookError, tries: number, random: number): Retry {
  const other = error.code === 'POSTGRES_UNREACHABLE' ? UNREACHABLE : OTHER;
  const found = BY_CODE[error.code] ?? BY_STATE[stateOf(error)] ?? other;
  const level = tries > found.patience ? 'error' : found === CONTENDED ? 'info' : 'warn';
  return { delayMs: backoffMs(tries, found, random), level };
}

/** connection_exception, insufficient_resources, operator_intervention, system_error */
const GONE = /^(08|53|57|58)[0-9A-Z]{3}$/;
const SQLSTATE = /^[0-9A-Z]{5}$/;

/**
 * Gives what ended capturing its code. A look-up whose connection broke throws the client library's plain
 * Error, with a code of the system or none at all: that is a server out of reach, and no fault of walhook.
 */
export function captureError(error: unknown): WalhookError {
  const code = causeCode(error);
  const isState = code !== null && SQLSTATE.test(code) && !code.startsWith('E');
  const isPlain = error instanceof Error && Object.getPrototypeOf(error) === Error.prototype;
  const isGone = isState ? GONE.test(code) : isPlain;
  if (error instanceof WalhookError || !isGone) return toWalhookError(error);
  const text = `expected an answer of the watched PostgreSQL, found: ${code ?? 'the connection ended'}`;
  return new WalhookError('POSTGRES_UNREACHABLE', text, { cause: error });
}

/** The SQLSTATE at the bottom of an error's causes. */
function stateOf(error: unknown): string {
  let state = '';
  let at: unknown = error;
  for (let depth = 0; depth < 5 && at instanceof Error; depth += 1) {
    const code = causeCode(at);
    if (code !== null && /^[0-9A-Z]{5}$/.test(code)) state = code;
    at = at.cause;
  }
  return state;
}
