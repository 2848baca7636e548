/**
 * One replication connection as an async iterable of frames.
 *
 * The client library connects, starts replication and ends it; the bytes in between are ours. Its defects
 * are kept out: it acknowledges one byte too far, acknowledges what was merely received, resumes at what
 * was received when the same object subscribes again, and leaves keepalives unread while paused. So it is
 * told never to acknowledge, an object lives for one connection, statuses are written by a timer that does
 * not depend on reading, and CopyData never reaches its parser.
 *
 * Asking the iterable for more means that everything given out before has been taken care of; while more
 * than a bound waits, the socket is paused. Under load it is also paused for a few milliseconds after each
 * read, so that many small messages arrive in one read: fewer wake-ups, at a fraction of the CPU.
 */
import type { Duplex } from 'node:stream';
import type { Client, ClientConfig } from 'pg';
import { LogicalReplicationService } from 'pg-logical-replication';
import type { Clock } from '../core/clock.ts';
import { causeCode, WalhookError } from '../core/errors.ts';
import { Signal, settlesWithin } from '../core/lifecycle.ts';
import { LSN_ZERO, type Lsn } from '../core/lsn.ts';
import type { Plugin } from '../core/plugins.ts';
import { connectionError, type PostgresTarget, settledOptions } from '../database/connect.ts';
import { type Frame, FrameSplitter } from './frames.ts';
import { judgeLiveness, type LivenessTimings, livenessTimings } from './liveness.ts';
import { readSource, requireSource } from './preflight.ts';
import { HEAD_BYTES, startCommands, UNKNOWN_OPTION } from './startReplication.ts';
import { encodeStatus } from './status.ts';

export interface StreamOptions {
  readonly target: PostgresTarget;
  readonly slot: string;
  /** The slot's; default pgoutput. */
  readonly plugin?: Plugin;
  readonly publication: string;
  /** none: skip what replication brought into the database. Servers before 16 refuse the option. */
  readonly origin?: 'any' | 'none';
  /** `limits.message`: a longer message is skipped without being assembled. */
  readonly maxMessageBytes: number;
  readonly clock: Clock;
  /** What a status may acknowledge now. Asked by the timer too, also while reading is paused. */
  readonly confirmable: () => Lsn;
}

/** Bytes of frames that may wait for the consumer before the socket is paused. */
const MAX_WAITING_BYTES = 1_048_576;
/** A timer this late means that this process did not get to run. */
const LATE_MS = 1_000;
/** How long reading rests under load. */
const REST_MS = 2;
/** What the socket reads at a time: a read this large leaves more behind, which is read before resting. */
const FULL_READ_BYTES = 65_536;
/** Load: a read this large, or this many reads within {@link REST_MS}. */
const BUSY_READ_BYTES = 16_384;
const BUSY_READS = 4;
/**
 * The longest `wal_sender_timeout` of our session: how long the server keeps the slot for a consumer that is
 * stopped or cut off. Another daemon waits for it.
 */
const MAX_SENDER_TIMEOUT_MS = 10_000;
/** How long a connection may take to close before it is cut. */
const CLOSE_TIMEOUT_MS = 2_000;

/** What values look like must not depend on the role's or the database's settings. */
const SESSION_SETTINGS = `
  set timezone = 'UTC';
  set datestyle = 'ISO';
  set intervalstyle = 'postgres';
  set extra_float_digits = 1;
  set bytea_output = 'hex';
  set lc_monetary = 'C';
  set statement_timeout = 0;
  set idle_session_timeout = 0;`;

/** The parts of the client library's connection that replication needs. */
interface RawConnection {
  readonly stream: Duplex;
  sendCopyFromChunk(chunk: Buffer): void;
}

export class ReplicationStream implements AsyncDisposable {
  readonly #options: StreamOptions;
  readonly #config: ClientConfig;
  readonly #service: LogicalReplicationService;
  readonly #arrived = new Signal();
  readonly #splitter: FrameSplitter;
  #connection: RawConnection | null = null;
  #passOn: (chunk: Buffer) => void = () => undefined;
  #timings: LivenessTimings = livenessTimings(0);
  #ended: { readonly error: unknown } | null = null;
  #heardMs: number;
  #backendPid: number | null = null;
  #isStopped = false;
  #isFull = false;
  #restTimer: NodeJS.Timeout | null = null;
  #statusTimer: NodeJS.Timeout | null = null;
  #lastReadMs = 0;
  #recentReads = 0;
  #walEnd: Lsn = LSN_ZERO;
  #publicationOid = '';

  private constructor(options: StreamOptions, config: ClientConfig) {
    this.#options = options;
    this.#config = config;
    this.#service = new LogicalReplicationService(config, {
      acknowledge: { auto: false, timeoutSeconds: 0 },
    });
    this.#heardMs = options.clock.monotonic();
    this.#splitter = new FrameSplitter(
      options.maxMessageBytes,
      (message) => this.#passOn(message),
      HEAD_BYTES[options.plugin ?? 'pgoutput'],
    );
  }

  /**
   * Connects and starts replication where the slot stands. Throws a coded error: SLOT_MISSING, SLOT_LOST,
   * SLOT_FOREIGN, SLOT_IN_USE, PUBLICATION_MISSING, REPLICATION_PRIVILEGE, POSTGRES_UNREACHABLE…
   */
  static async open(options: StreamOptions): Promise<ReplicationStream> {
    const config = await replicationConfig(options);
    const stream = new ReplicationStream(options, config);
    const service = stream.#service;
    const started = new Promise<void>((resolve) => service.once('start', () => resolve()));
    // The subscription's own promise carries every failure; an error event without a listener would throw.
    service.on('error', () => undefined);
    const plugin = {
      name: 'pgoutput',
      options: {},
      parse: () => null,
      start: (client: Client) => stream.#start(client),
    };
    const ended = service.subscribe(plugin as never, options.slot, '0/00000000').then(
      () => stream.#end(null),
      (error: unknown) => stream.#end(error),
    );
    await Promise.race([started, ended]);
    if (stream.#ended !== null) {
      await stream.close();
      throw translate(stream.#ended.error, options, config);
    }
    stream.#scheduleStatus();
    return stream;
  }

  /**
   * The frames in the order of the WAL, in the portions in which they arrived. Ends after `stopReading`;
   * throws when the connection ends.
   */
  async *[Symbol.asyncIterator](): AsyncGenerator<Frame[], void, undefined> {
    while (!this.#isStopped) {
      const frames = this.#splitter.take();
      if (frames.length > 0) {
        yield frames;
        continue;
      }
      if (this.#ended !== null) throw translate(this.#ended.error, this.#options, this.#config);
      if (this.#isFull) {
        this.#isFull = false;
        this.#resume();
      }
      await this.#arrived.wait();
    }
  }

  /** Ends the iteration; the connection stays, so that a last status can be sent. */
  stopReading(): void {
    this.#isStopped = true;
    this.#arrived.raise();
  }

  /** The server's process, as the server told it at the start. */
  get backendPid(): number | null {
    return this.#backendPid;
  }

  /** Gives the connection up for a reason of ours: from here on nothing is acknowledged. */
  fail(error: WalhookError): void {
    this.#end(error);
    this.#connection?.stream.destroy();
  }

  /** Where the server's WAL ended when the stream was opened. */
  get walEnd(): Lsn {
    return this.#walEnd;
  }

  /** Which publication of the name it was. */
  get publicationOid(): string {
    return this.#publicationOid;
  }

  /** Sends a status now: after a flush, or when the server asks for one. */
  sendStatus(asksForReply = false): void {
    const { clock, confirmable } = this.#options;
    if (this.#ended !== null) return;
    this.#connection?.sendCopyFromChunk(encodeStatus(confirmable(), clock.now(), asksForReply));
  }

  /** Ends the connection; cuts it where the server does not answer. Repeatable. */
  async close(): Promise<void> {
    this.#end(null);
    // A paused socket never notices its end.
    this.#connection?.stream.resume();
    const closed = this.#service.destroy().catch(() => undefined);
    if (!(await settlesWithin(closed, CLOSE_TIMEOUT_MS))) this.#connection?.stream.destroy();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  /** The library's plugin hook: the connection is there, replication not started yet. */
  async #start(client: Client): Promise<void> {
    const connection = (client as unknown as { connection: RawConnection }).connection;
    await client.query(SESSION_SETTINGS);
    const source = await readSource(client, this.#options);
    this.#publicationOid = requireSource(source, this.#options);
    this.#walEnd = source.walEnd;
    const { rows } = await client.query<{ ms: string }>(
      "select setting as ms from pg_catalog.pg_settings where name = 'wal_sender_timeout'",
    );
    const configuredMs = Number(rows[0]?.ms ?? 0);
    const timeoutMs =
      configuredMs > 0 ? Math.min(configuredMs, MAX_SENDER_TIMEOUT_MS) : MAX_SENDER_TIMEOUT_MS;
    if (timeoutMs !== configuredMs) await client.query(`set wal_sender_timeout = ${timeoutMs}`);
    this.#timings = livenessTimings(timeoutMs);
    this.#backendPid = (client as unknown as { processID: number | null }).processID;
    this.#connection = connection;
    this.#takeOver(connection.stream);
    const { slot, publication, origin = 'any', plugin = 'pgoutput' } = this.#options;
    const commands = startCommands({ plugin, slot, publication, origin });
    for (const [at, command] of commands.entries()) {
      try {
        await client.query(command);
        return;
      } catch (error) {
        if (at === commands.length - 1 || causeCode(error) !== UNKNOWN_OPTION) throw error;
      }
    }
  }

  /** From here on every byte comes to us first; what is not CopyData goes on to the library's parser. */
  #takeOver(socket: Duplex): void {
    const listeners = socket.listeners('data') as ((chunk: Buffer) => void)[];
    socket.removeAllListeners('data');
    this.#passOn = (message) => {
      for (const listener of listeners) listener(message);
    };
    socket.on('data', (chunk: Buffer) => this.#read(chunk));
    socket.on('close', () => this.#end(new Error('the server closed the connection')));
  }

  #read(chunk: Buffer): void {
    const now = this.#options.clock.monotonic();
    this.#heardMs = now;
    this.#splitter.push(chunk);
    this.#recentReads = now - this.#lastReadMs > REST_MS ? 1 : this.#recentReads + 1;
    this.#lastReadMs = now;
    if (this.#splitter.waitingBytes === 0) return;
    this.#arrived.raise();
    if (this.#splitter.waitingBytes >= MAX_WAITING_BYTES) {
      this.#isFull = true;
      this.#connection?.stream.pause();
    } else if (chunk.length >= FULL_READ_BYTES) {
      return;
    } else if (chunk.length >= BUSY_READ_BYTES || this.#recentReads >= BUSY_READS) {
      this.#rest();
    }
  }

  #rest(): void {
    if (this.#restTimer !== null) return;
    this.#connection?.stream.pause();
    this.#restTimer = setTimeout(() => {
      this.#restTimer = null;
      this.#resume();
    }, REST_MS);
  }

  #resume(): void {
    if (this.#isFull || this.#restTimer !== null) return;
    this.#heardMs = this.#options.clock.monotonic();
    this.#connection?.stream.resume();
  }

  #scheduleStatus(): void {
    const dueMs = this.#options.clock.monotonic() + this.#timings.statusEveryMs;
    this.#statusTimer = setTimeout(() => {
      if (this.#ended !== null) return;
      const now = this.#options.clock.monotonic();
      // We were busy, or stopped, and did not listen: what arrived meanwhile is read after this.
      if (now - dueMs > LATE_MS) this.#heardMs = now;
      const silentMs = now - this.#heardMs;
      const liveness = judgeLiveness(this.#timings, silentMs, this.#isFull);
      if (liveness === 'dead') {
        this.#end(new Error(`the server has been silent for ${Math.round(silentMs)} ms`));
        this.#connection?.stream.destroy();
        return;
      }
      this.sendStatus(liveness === 'ask');
      this.#scheduleStatus();
    }, this.#timings.statusEveryMs);
  }

  #end(error: unknown): void {
    this.#ended ??= { error };
    if (this.#statusTimer !== null) clearTimeout(this.#statusTimer);
    if (this.#restTimer !== null) clearTimeout(this.#restTimer);
    this.#statusTimer = null;
    this.#restTimer = null;
    this.#arrived.raise();
  }
}

/** The client library's options for replication. */
async function replicationConfig(options: StreamOptions): Promise<ClientConfig> {
  try {
    return await settledOptions(options.target, { replication: 'database' } as object);
  } catch (error) {
    const cause = error instanceof WalhookError ? error.cause : error;
    throw causeCode(cause) === '42501' ? translate(cause, options, {}) : error;
  }
}

/** Whether this function of the server's source raised the error. */
function hasRoutine(error: unknown, routine: string): boolean {
  return error instanceof Error && 'routine' in error && error.routine === routine;
}

/** SQLSTATEs of START_REPLICATION: https://www.postgresql.org/docs/current/errcodes-appendix.html */
function translate(error: unknown, options: StreamOptions, config: ClientConfig): WalhookError {
  if (error instanceof WalhookError) return error;
  const { slot, publication } = options;
  const text = error instanceof Error ? error.message.split('\n')[0] : 'the connection ended';
  switch (causeCode(error)) {
    case '42704':
      // Up to 17 a publication that is dropped while its slot is read ends the stream. The server's words may be
      // in any language; the name of its function is not.
      return new WalhookError(
        hasRoutine(error, 'get_publication_oid') ? 'PUBLICATION_MISSING' : 'SLOT_MISSING',
        `expected the slot ${slot} and the publication ${publication}, found: ${text}`,
        { cause: error },
      );
    case '55006':
      return new WalhookError('SLOT_IN_USE', `expected the slot ${slot} to be free, found: ${text}`, {
        cause: error,
      });
    case '55000':
      return new WalhookError('SLOT_LOST', `expected the slot ${slot} to be usable, found: ${text}`, {
        cause: error,
      });
    case '42501':
      return new WalhookError(
        'REPLICATION_PRIVILEGE',
        `expected a role that may use replication, found: ${text}`,
        { cause: error },
      );
    case '28000':
    case '28P01':
    case '3D000':
    case 'ECONNREFUSED':
    case 'ENOTFOUND':
    case 'ETIMEDOUT':
      return connectionError(error, options.target, config);
    default:
      return new WalhookError(
        'REPLICATION_STOPPED',
        `the replication connection of slot ${slot} ended: ${text}`,
        { cause: error },
      );
  }
}
