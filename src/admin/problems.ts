/** Errors as answers: RFC 9457 problem details with the codes of the catalogue. */
import { type ErrorCode, errorCatalogue, toWalhookError, WalhookError } from '../core/errors.ts';
import { RowRefused } from '../definitions/rowStore.ts';

/** https://www.rfc-editor.org/rfc/rfc9457 */
export interface Problem {
  readonly type: string;
  /** What the code means. */
  readonly title: string;
  readonly status: number;
  readonly detail: string;
  /** The code of the catalogue. */
  readonly code: string;
  readonly remedy: string;
  /** Each mistake of a webhook that was refused, with its path. */
  readonly errors?: readonly { readonly path: string; readonly detail: string }[];
}

export const PROBLEM_TYPE = 'application/problem+json; charset=utf-8';

const STATUS: Readonly<Partial<Record<ErrorCode, number>>> = {
  UNAUTHORIZED: 401,
  FORBIDDEN: 403,
  CROSS_SITE: 403,
  HOST_REFUSED: 421,
  RATE_LIMITED: 429,
  NOT_FOUND: 404,
  WEBHOOK_UNKNOWN: 404,
  REQUEST_INVALID: 400,
  USAGE: 400,
  EVENT_INVALID: 422,
  CONFIG_INVALID: 422,
  CONFIG_NOT_FOUND: 422,
  TEMPLATE_INVALID: 422,
  WEBHOOK_INVALID: 422,
  WEBHOOK_CHANGED: 412,
  ROWS_UNAVAILABLE: 503,
  WEBHOOK_READ_ONLY: 409,
  WEBHOOK_NOT_READY: 409,
  RELOAD_UNAVAILABLE: 409,
  RELOAD_NEEDS_RESTART: 409,
  POSTGRES_UNREACHABLE: 503,
  POSTGRES_AUTHENTICATION: 503,
  QUEUE_UNREACHABLE: 503,
  QUEUE_NOT_SET_UP: 503,
};

/** Any thrown value as a problem. What has no name is told by its code alone: its text may hold anything. */
export function toProblem(error: unknown): Problem {
  const refusal = fromFramework(error);
  const known = refusal?.error ?? toWalhookError(error);
  return {
    type: `urn:walhook:error:${known.code}`,
    title: errorCatalogue[known.code].meaning,
    status: refusal?.status ?? STATUS[known.code] ?? 500,
    detail: known.code === 'UNEXPECTED' ? 'see the log of the daemon' : known.message,
    code: known.code,
    remedy: known.remedy,
    ...(known instanceof RowRefused
      ? { errors: known.mistakes.map(({ path, message }) => ({ path, detail: message })) }
      : {}),
  };
}

/** HTTP's own refusals, in words: what the framework would say of them may hold what was sent. */
const REFUSALS: Readonly<Record<number, string>> = {
  405: 'expected a method that this address takes',
  413: 'expected a smaller body',
  414: 'expected a shorter address',
  415: 'expected the content type application/json (a form, where a page sends it)',
};

/**
 * The framework's own refusals: a body that is no JSON, a parameter of the wrong type, a method that is not taken.
 * null: the error is another one.
 */
function fromFramework(error: unknown): { readonly error: WalhookError; readonly status: number } | null {
  if (error instanceof WalhookError || typeof error !== 'object' || error === null) return null;
  const status = 'statusCode' in error ? error.statusCode : undefined;
  if (typeof status !== 'number' || status < 400 || status > 499) return null;
  if (status === 429) {
    return { error: new WalhookError('RATE_LIMITED', 'expected fewer requests of this caller'), status };
  }
  const message = REFUSALS[status] ?? (error instanceof Error ? error.message : 'expected another request');
  return { error: new WalhookError('REQUEST_INVALID', message), status };
}
