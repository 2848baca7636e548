/**
 * A trigger with `pg_notify` and a listener with undici: the shortest way to webhooks, and nothing to set
 * up but SQL.
 *
 * Does not: send what was committed while nobody listened, try again, carry a row above 8,000 bytes (the
 * write then fails). The trigger's cost is in the writing transaction, and commits that notify wait for
 * one another.
 */
import { Client } from 'pg';
import { Agent } from 'undici';
import type { Contender } from '../contest/contender.ts';
import { type NodePeer, startNodePeer } from './peer.ts';

const TRIGGER = `
  create or replace function tell() returns trigger language plpgsql as $$ begin
    perform pg_notify('changes', json_build_object('event', 'created', 'model', tg_table_name, 'data', new)::text);
    return null;
  end $$;
  create or replace trigger tell after insert on load for each row execute function tell();`;

/** Never resolves: it listens until it is killed. */
export async function runNotify(peer: NodePeer): Promise<void> {
  const agent = new Agent({ connections: peer.connections });
  const { origin, pathname } = new URL(peer.receiverUrl);
  const send = async (body: string): Promise<void> => {
    const headers = { 'content-type': 'application/json' };
    const response = await agent.request({ origin, path: pathname, method: 'POST', headers, body });
    await response.body.dump();
  };
  const client = new Client({ connectionString: peer.url });
  await client.connect();
  client.on('notification', ({ payload }) => void send(payload ?? '').catch(() => undefined));
  await client.query('listen changes');
  process.stdout.write('ready\n');
}

export const NOTIFY: Contender = {
  name: 'notify',
  title: 'a trigger with LISTEN/NOTIFY and undici',
  lacks: 'anything kept: what nobody hears is lost; rows above 8,000 bytes; the writer pays for the trigger',
  usesRedis: false,
  missing: async () => null,
  fetch: null,
  start: async (place) => {
    await place.sql(TRIGGER);
    return startNodePeer('notify', place, /ready/);
  },
};
