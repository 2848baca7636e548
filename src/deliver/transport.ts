/**
 * A Webhook's own connections: what one receiver does to its sockets harms no other. Owns the HTTP client.
 *
 * Connections are made anew when a certificate file changed. Through a proxy it is the proxy that resolves
 * names and dials: of the address policy only what can be told of the host as written is left then.
 */
import { Agent, type Dispatcher } from 'undici';
import type { Clock } from '../core/clock.ts';
import type { Secret } from '../core/secret.ts';
import { checkHost, type GuardOptions, guardedConnector } from './connector.ts';
import { Cutoff } from './cutoff.ts';
import { FloodGuard } from './flood.ts';
import { ResponseReader } from './responseReader.ts';
import { readTls, type TlsSettings, tlsVersion } from './tlsFiles.ts';
import { tunnelConnector } from './tunnel.ts';

export interface TransportOptions extends GuardOptions {
  readonly connections: number;
  /** For one Attempt as a whole. */
  readonly timeoutMs: number;
  readonly tls: TlsSettings;
  /** URL of an HTTP proxy, with its credentials; null: none. */
  readonly proxy: Secret | null;
  readonly clock: Clock;
}

const CONNECT_TIMEOUT_MS = 5_000;
/** Receivers close idle connections at their own times; short reuse avoids most races with that. */
const KEEP_ALIVE_MS = 4_000;
const KEEP_ALIVE_MAX_MS = 30_000;
/** A connection is not used longer than this, so that a name's new address is followed. */
const CONNECTION_MAX_MS = 300_000;
/** Origins of one Webhook; more than one only with a templated host. */
const MAX_ORIGINS = 64;
/** How often the certificate files are looked at. */
const FILES_CHECK_MS = 5_000;

export class Transport {
  readonly #options: TransportOptions;
  #current: { readonly dispatcher: Dispatcher; readonly version: string } | null = null;
  #checkedAtMs = Number.NEGATIVE_INFINITY;
  #connects = 0;
  readonly #retired = new Set<Promise<void>>();
  readonly #cutoff = new Cutoff();
  readonly #responses = new ResponseReader();
  readonly #floods: FloodGuard;

  constructor(options: TransportOptions) {
    this.#options = options;
    this.#floods = new FloodGuard(options.connections);
  }

  /** Connections begun so far: tells a request over a kept connection from one over a new one. */
  get connects(): number {
    return this.#connects;
  }

  get connectTimeoutMs(): number {
    return Math.min(CONNECT_TIMEOUT_MS, this.#options.timeoutMs);
  }

  /** Who is cut off at the end of the process. */
  get cutoff(): Cutoff {
    return this.#cutoff;
  }

  /** Reads what was answered. */
  get responses(): ResponseReader {
    return this.#responses;
  }

  /**
   * What sends a request to an origin; a promise where a proxy is to be asked. Throws TLS_FILE_INVALID, and
   * ADDRESS_REFUSED before a proxy is asked.
   */
  dispatcherFor(origin: string): Dispatcher | Promise<Dispatcher> {
    this.#floods.begin();
    return this.#options.proxy === null ? this.#dispatcher() : this.#checkedDispatcher(origin);
  }

  async #checkedDispatcher(origin: string): Promise<Dispatcher> {
    const url = new URL(origin);
    await this.#options.own.refresh();
    checkHost(this.#options, url.hostname, Number(url.port) || (url.protocol === 'https:' ? 443 : 80));
    return this.#dispatcher();
  }

  #dispatcher(): Dispatcher {
    const nowMs = this.#options.clock.monotonic();
    if (this.#current !== null && nowMs - this.#checkedAtMs < FILES_CHECK_MS) {
      return this.#current.dispatcher;
    }
    const version = tlsVersion(this.#options.tls);
    if (this.#current === null || this.#current.version !== version) {
      const dispatcher = this.#newDispatcher();
      if (this.#current !== null) this.#retire(this.#current.dispatcher);
      this.#current = { dispatcher, version };
    }
    this.#checkedAtMs = nowMs;
    return this.#current.dispatcher;
  }

  async close(): Promise<void> {
    this.#cutoff.close();
    await Promise.allSettled([this.#current?.dispatcher.destroy(), ...this.#retired]);
  }

  /** Lets what is in flight end on the old connections. */
  #retire(dispatcher: Dispatcher): void {
    const closing = dispatcher.close().finally(() => this.#retired.delete(closing));
    this.#retired.add(closing);
  }

  #newDispatcher(): Dispatcher {
    const { connections, timeoutMs, proxy } = this.#options;
    const tls = readTls(this.#options.tls);
    const within = { timeoutMs: this.connectTimeoutMs, tls };
    const connect =
      proxy === null
        ? guardedConnector({ ...this.#options, ...within })
        : tunnelConnector({ proxy, ...within });
    return new Agent({
      connections,
      pipelining: 1,
      allowH2: false,
      headersTimeout: timeoutMs,
      bodyTimeout: timeoutMs,
      keepAliveTimeout: KEEP_ALIVE_MS,
      keepAliveMaxTimeout: KEEP_ALIVE_MAX_MS,
      clientTtl: CONNECTION_MAX_MS,
      maxOrigins: MAX_ORIGINS,
      connect: (target, callback) => {
        this.#connects += 1;
        connect(target, (...[error, socket]) => {
          if (error !== null) return callback(error, null);
          this.#floods.watch(socket);
          callback(null, socket);
        });
      },
    });
  }
}
