/** The client library's decoder as the judge of ours: what each makes of a message, in the same words. */
import { types } from 'pg';
import type { Pgoutput } from 'pg-logical-replication';
import { formatLsn, parseLsn } from '../../src/core/lsn.ts';
import { type Relation, type Tuple, UNCHANGED, type WalMessage } from '../../src/decode/messages.ts';

type Values = Record<string, unknown> | null;

/** Our reading of a tuple, as the library would give it: parsed by its parsers, unchanged values undefined. */
function valuesOf(relation: Relation, tuple: Tuple | null, fallback: Tuple | null = null): Values {
  if (tuple === null) return null;
  return Object.fromEntries(
    relation.columns.map(({ name, typeOid }, i) => {
      let text = tuple.text(i);
      if (text === UNCHANGED && fallback !== null) text = fallback.text(i);
      const parse = types.getTypeParser(typeOid) as (value: string) => unknown;
      return [name, typeof text === 'string' ? parse(text) : text === null ? null : undefined];
    }),
  );
}

export function ours(message: WalMessage): unknown {
  switch (message.tag) {
    case 'begin':
      return {
        tag: 'begin',
        commitLsn: formatLsn(message.commitLsn),
        us: message.committedAtUs,
        xid: message.xid,
      };
    case 'commit':
      return { tag: 'commit', commitLsn: formatLsn(message.commitLsn), endLsn: formatLsn(message.endLsn) };
    case 'relation': {
      const { oid, schema, name, identity, columns } = message.relation;
      return {
        tag: 'relation',
        oid,
        schema,
        name,
        identity,
        columns: columns.map(({ isIdentity, name, typeOid, typeModifier }) => ({
          isIdentity,
          name,
          typeOid,
          typeModifier,
        })),
      };
    }
    case 'insert':
    case 'update':
    case 'delete': {
      const { old, new: now } = message.images();
      const { relation, tag } = message;
      const full = old.kind === 'full' ? old.tuple : null;
      const before = old.kind === 'none' ? null : valuesOf(relation, old.tuple);
      return { tag, table: relation.name, kind: old.kind, before, after: valuesOf(relation, now, full) };
    }
    case 'truncate':
      return { tag: 'truncate', tables: message.relations.map((relation) => relation.name) };
    case 'message':
      return {
        tag: 'message',
        transactional: message.transactional,
        prefix: message.prefix,
        content: message.content,
      };
    default:
      return { tag: message.tag };
  }
}

/** The library pads and lower-cases its LSNs. */
const lsnOf = (text: string | null): string => formatLsn(parseLsn(text ?? '0/0'));

export function theirs(message: Pgoutput.Message): unknown {
  switch (message.tag) {
    case 'begin':
      return {
        tag: 'begin',
        commitLsn: lsnOf(message.commitLsn),
        us: BigInt(message.commitTime as bigint),
        xid: message.xid >>> 0,
      };
    case 'commit':
      return { tag: 'commit', commitLsn: lsnOf(message.commitLsn), endLsn: lsnOf(message.commitEndLsn) };
    case 'relation':
      return {
        tag: 'relation',
        oid: message.relationOid >>> 0,
        schema: message.schema,
        name: message.name,
        identity: message.replicaIdentity,
        columns: message.columns.map(({ flags, name, typeOid, typeMod }) => ({
          isIdentity: flags === 1,
          name,
          typeOid: typeOid >>> 0,
          typeModifier: typeMod,
        })),
      };
    case 'insert':
    case 'update':
    case 'delete': {
      const key = 'key' in message ? message.key : null;
      const old = 'old' in message ? message.old : null;
      const before =
        key === null
          ? old
          : Object.fromEntries(message.relation.columns.map(({ name }) => [name, key[name] ?? null]));
      return {
        tag: message.tag,
        table: message.relation.name,
        kind: key !== null ? 'key' : old !== null ? 'full' : 'none',
        before: before === null ? null : { ...before },
        after: 'new' in message ? { ...message.new } : null,
      };
    }
    case 'truncate':
      return { tag: 'truncate', tables: message.relations.map((relation) => relation.name) };
    case 'message':
      return {
        tag: 'message',
        transactional: message.transactional,
        prefix: message.prefix,
        content: Buffer.from(message.content).toString('utf8'),
      };
    default:
      return { tag: 'ignored' };
  }
}
