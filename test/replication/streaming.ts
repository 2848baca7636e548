/** A replication stream under a test's hand: what it gives out, decoded, and what it may acknowledge. */
import { systemClock } from '../../src/core/clock.ts';
import { formatLsn, LSN_ZERO, type Lsn, parseLsn } from '../../src/core/lsn.ts';
import { NO_TLS } from '../../src/database/connect.ts';
import type { WalMessage } from '../../src/decode/messages.ts';
import { PgoutputDecoder } from '../../src/decode/pgoutput.ts';
import { ReplicationStream, type StreamOptions } from '../../src/replication/stream.ts';
import type { TestDatabase } from '../helpers/database.ts';

export const PUBLICATION = 'everything';

export interface Streaming extends AsyncDisposable {
  readonly stream: ReplicationStream;
  /** The slot's name: that of the database, for slots are the server's. */
  readonly slot: string;
  /** What the next status acknowledges. */
  confirmed: Lsn;
  /** Reads until a message fits, and returns everything up to it. */
  until(fits: (message: WalMessage) => boolean): Promise<WalMessage[]>;
  /** Reads until so many Transactions are complete; their rows' first columns and their bounds. */
  transactions(count: number): Promise<Committed[]>;
}

export interface Committed {
  readonly ids: readonly string[];
  readonly commitLsn: Lsn;
  readonly endLsn: Lsn;
}

/** A table, a publication of it and a slot. */
export async function prepareSlot({ client, name }: TestDatabase): Promise<void> {
  await client.query('create table thing (id int primary key, note text)');
  await client.query(`create publication ${PUBLICATION} for all tables`);
  await client.query("select pg_create_logical_replication_slot($1, 'pgoutput')", [name]);
}

export function optionsFor(database: TestDatabase, more: Partial<StreamOptions> = {}): StreamOptions {
  return {
    target: { url: () => database.url, tls: NO_TLS, role: 'watched' },
    slot: database.name,
    publication: PUBLICATION,
    maxMessageBytes: 64 * 1_048_576,
    clock: systemClock,
    confirmable: () => LSN_ZERO,
    ...more,
  };
}

export async function startStreaming(
  database: TestDatabase,
  more: Partial<StreamOptions> = {},
): Promise<Streaming> {
  const state = { confirmed: LSN_ZERO as Lsn };
  const stream = await ReplicationStream.open(
    optionsFor(database, { confirmable: () => state.confirmed, ...more }),
  );
  const decoder = new PgoutputDecoder();
  const frames = stream[Symbol.asyncIterator]();
  let waiting: WalMessage[] = [];

  const until: Streaming['until'] = async (fits) => {
    const seen: WalMessage[] = [];
    for (;;) {
      for (let next = waiting.shift(); next !== undefined; next = waiting.shift()) {
        seen.push(next);
        if (fits(next)) return seen;
      }
      const { value, done } = await frames.next();
      if (done === true) throw new Error('the stream ended before the message came');
      waiting = value.flatMap((frame) => {
        if (frame.tag === 'keepalive') return [];
        if (frame.tag === 'oversized') return [decoder.decodeHead(frame.head, frame.bytes)];
        return [decoder.decode(frame.buffer, frame.start, frame.end)];
      });
    }
  };
  return {
    stream,
    slot: database.name,
    get confirmed() {
      return state.confirmed;
    },
    set confirmed(lsn: Lsn) {
      state.confirmed = lsn;
    },
    until,
    async transactions(count) {
      const found: Committed[] = [];
      while (found.length < count) {
        const messages = await until((message) => message.tag === 'commit');
        const commit = messages.at(-1);
        const ids = messages.flatMap((message) =>
          message.tag === 'insert' ? [String(message.images().new?.text(0))] : [],
        );
        // A Transaction that touched nothing published is not one the tests made.
        if (commit?.tag === 'commit' && ids.length > 0) found.push({ ...commit, ids });
      }
      return found;
    },
    [Symbol.asyncDispose]: () => stream.close(),
  };
}

/** `confirmed_flush_lsn` and whether a process holds the slot. */
export async function slotOf({
  client,
  name,
}: TestDatabase): Promise<{ confirmed: Lsn; pid: number | null }> {
  const { rows } = await client.query<{ lsn: string; pid: number | null }>(
    'select confirmed_flush_lsn::text as lsn, active_pid as pid from pg_replication_slots where slot_name = $1',
    [name],
  );
  return { confirmed: parseLsn(rows[0]?.lsn ?? formatLsn(LSN_ZERO)), pid: rows[0]?.pid ?? null };
}
