/**
 * When to send a status, when to ask the server for a sign of life, when to give the connection up. Pure.
 *
 * The server drops a consumer it has not heard from for `wal_sender_timeout`, and sends nothing by itself
 * while statuses arrive: silence alone is no sign of death, silence after a question is. A socket that we
 * paused is silent because of us.
 * https://www.postgresql.org/docs/current/runtime-config-replication.html#GUC-WAL-SENDER-TIMEOUT
 */

export interface LivenessTimings {
  /** How often a status is sent. */
  readonly statusEveryMs: number;
  /** Silence after which a status asks for an answer. */
  readonly askAfterMs: number;
  /** Silence after which the connection is given up. */
  readonly deadAfterMs: number;
}

/** Used where the server has switched its own timeout off. */
const DEFAULT_TIMEOUT_MS = 60_000;
const MAX_STATUS_INTERVAL_MS = 10_000;

/** @param walSenderTimeoutMs the server's setting; 0 switches it off there */
export function livenessTimings(walSenderTimeoutMs: number): LivenessTimings {
  const timeoutMs = walSenderTimeoutMs > 0 ? walSenderTimeoutMs : DEFAULT_TIMEOUT_MS;
  return {
    statusEveryMs: Math.max(100, Math.min(MAX_STATUS_INTERVAL_MS, timeoutMs / 3)),
    askAfterMs: timeoutMs,
    deadAfterMs: 2 * timeoutMs,
  };
}

export type Liveness = 'fine' | 'ask' | 'dead';

/** @param silentMs since the last byte arrived, or since we last stopped listening ourselves */
export function judgeLiveness(timings: LivenessTimings, silentMs: number, isPaused: boolean): Liveness {
  if (isPaused) return 'fine';
  if (silentMs >= timings.deadAfterMs) return 'dead';
  return silentMs >= timings.askAfterMs ? 'ask' : 'fine';
}
