/** The connection on which processes hear of work, pauses and cancelled Deliveries, by LISTEN; made anew when it ends. */
import type { Client } from 'pg';
import type { Clock } from '../../core/clock.ts';
import { connect, type PostgresTarget } from '../../database/connect.ts';
import type { CancelledInJob } from '../store.ts';
import { hearWake } from '../wake.ts';
import { ANSWER_TIMEOUT_MS, translated } from './postgresCall.ts';

export interface WakeListenerOptions {
  readonly target: PostgresTarget;
  /** The store's, which is the channel's name too. */
  readonly schema: string;
  /** Of this process: what it says itself is not heard. */
  readonly sender: string;
  readonly clock: Clock;
}

export interface WakeCallbacks {
  readonly onWork: (webhooks: readonly string[]) => void;
  readonly onCancelled: (cancelled: CancelledInJob) => void;
  /** Listening began anew: something may have been missed. */
  readonly onReconnected: () => void;
}

const LISTEN_AGAIN_MS = 1_000;

export class WakeListener {
  readonly #options: WakeListenerOptions;
  readonly #clients = new Set<Client>();
  #isClosed = false;

  constructor(options: WakeListenerOptions) {
    this.#options = options;
  }

  /** Listens until it is closed. Throws QUEUE_UNREACHABLE where that cannot begin. */
  async listen(callbacks: WakeCallbacks): Promise<void> {
    const { target, schema, sender } = this.#options;
    const client = await connect(target, { query_timeout: ANSWER_TIMEOUT_MS });
    client.on('notification', ({ payload }) => hearWake(payload ?? '', sender, callbacks));
    try {
      await client.query(`listen ${schema}`);
    } catch (error) {
      void client.end().catch(() => undefined);
      throw translated(error);
    }
    if (this.#isClosed) return await client.end();
    // While there is no listener, polling finds the work; then listening starts anew.
    client.once('end', () => {
      this.#clients.delete(client);
      if (!this.#isClosed) void this.#listenAgain(callbacks);
    });
    this.#clients.add(client);
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    await Promise.all([...this.#clients].map((client) => client.end()));
  }

  async #listenAgain(callbacks: WakeCallbacks): Promise<void> {
    while (!this.#isClosed) {
      await this.#options.clock.sleep(LISTEN_AGAIN_MS);
      try {
        if (this.#isClosed) return;
        await this.listen(callbacks);
        callbacks.onReconnected();
        return;
      } catch {
        // The polling that goes on meanwhile reports that the store is gone.
      }
    }
  }
}
