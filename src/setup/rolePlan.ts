/** The least that the role of `run` and `check` needs, as SQL for whoever makes roles. Printed, never run. Pure. */
import { ident, literal, qualified } from './names.ts';
import { type Provider, replicationRemedy } from './provider.ts';
import type { TableState } from './state.ts';

export interface RoleWish {
  readonly role: string;
  readonly database: string;
  readonly provider: Provider;
  /** Tables that are published, or are to be. */
  readonly tables: readonly TableState[];
}

export function planRole({ role, database, provider, tables }: RoleWish): string[] {
  const name = ident(role);
  const schemas = [...new Set(tables.map((table) => table.schema))];
  const isSelf = provider === 'self';
  return [
    `create role ${name} login${isSelf ? ' replication' : ''} password ${literal('change me')};`,
    ...(isSelf ? [] : [`-- ${replicationRemedy(provider, role)}`]),
    `grant connect on database ${ident(database)} to ${name};`,
    ...schemas.map((schema) => `grant usage on schema ${ident(schema)} to ${name};`),
    '-- For look-ups of related rows and for replays; the stream itself needs none of it.',
    ...tables.map((table) => `grant select on ${qualified(table)} to ${name};`),
    '-- To name the transactions of others that hold the slot back (optional):',
    `grant pg_read_all_stats to ${name};`,
  ];
}

/** What the same role needs of the helper schema, once that is there. */
export function planHelperRights(role: string): string[] {
  const name = ident(role);
  return [
    `grant usage on schema walhook to ${name};`,
    `grant select, insert, update, delete on walhook.installation, walhook.webhook to ${name};`,
    `grant select on walhook.health, walhook.webhooks to ${name};`,
  ];
}
