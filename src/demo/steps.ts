/** What the demo does to its rows: who runs which SQL in which request, and which Events must come of it. */
import { randomUUID } from 'node:crypto';
import type { ChangeKind } from '../change/transaction.ts';

export interface Step {
  readonly username: string;
  readonly requestId: string;
  readonly sql: string;
  /** In the order in which they are committed. */
  readonly expects: readonly { readonly event: ChangeKind; readonly model: string }[];
}

const AS = 'peering_autonomoussystem';
const SESSION = 'peering_internetexchangepeeringsession';
const TAG = 'extras_tag';

/**
 * One round: rows of three tables created, updated and deleted by two users.
 *
 * @param round tells apart the rows of several rounds
 */
export function roundOfSteps(round: number): Step[] {
  const asn = 64_496 + round;
  const step = (username: string, sql: string, ...expects: [ChangeKind, string][]): Step => ({
    username,
    requestId: randomUUID(),
    sql,
    expects: expects.map(([event, model]) => ({ event, model })),
  });
  const theSession = `(select id from ${SESSION} where ip_address = '2001:db8::fbf2:${round}')`;
  return [
    step(
      'admin',
      `insert into ${AS} (asn, name, irr_as_set) values (${asn}, 'Péer ${round}', 'AS-PEER${round}')`,
      ['created', AS],
    ),
    step(
      'admin',
      `insert into ${SESSION} (autonomous_system_id, ixp_connection_id, ip_address) select id, 1, '2001:db8::fbf2:${round}' from ${AS} where asn = ${asn}`,
      ['created', SESSION],
    ),
    step('grace', `insert into ${TAG} (name, slug) values ('Round ${round}', 'round-${round}')`, [
      'created',
      TAG,
    ]),
    step('grace', `update ${SESSION} set status = 'enabled' where id = ${theSession}`, ['updated', SESSION]),
    step(
      'admin',
      `update ${AS} set ipv6_max_prefixes = 100, as_list = '{${asn},${asn + 1}}' where asn = ${asn}`,
      ['updated', AS],
    ),
    step('grace', `update ${TAG} set color = 'ff0000' where slug = 'round-${round}'`, ['updated', TAG]),
    step('grace', `delete from ${TAG} where slug = 'round-${round}'`, ['deleted', TAG]),
    // The session goes with its autonomous system, by the foreign key.
    step('admin', `delete from ${AS} where asn = ${asn}`, ['deleted', AS], ['deleted', SESSION]),
  ];
}
