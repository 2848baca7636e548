/**
 * The command that starts replication, for each output plugin.
 *
 * https://www.postgresql.org/docs/current/protocol-replication.html#PROTOCOL-REPLICATION-START-REPLICATION-SLOT-LOGICAL
 */
import type { Plugin } from '../core/plugins.ts';

export interface StartNames {
  readonly plugin: Plugin;
  readonly slot: string;
  readonly publication: string;
  /** Only pgoutput knows it. */
  readonly origin: 'any' | 'none';
}

/** SQLSTATE of an option that the plugin does not know. */
export const UNKNOWN_OPTION = '22023';

/** Enough of a message that is skipped for its kind and its table. wal2json names the table in full. */
export const HEAD_BYTES: Readonly<Record<Plugin, number>> = { pgoutput: 64, wal2json: 1_024 };

/**
 * The commands to try in their order, until one meets no {@link UNKNOWN_OPTION}: wal2json writes numbers as
 * text, so that NaN and Infinity are not null, since 2.6 only.
 */
export function startCommands(names: StartNames): readonly string[] {
  const { plugin, slot, publication, origin } = names;
  const command = (options: Readonly<Record<string, string>>) => {
    const list = Object.entries(options).map(([name, value]) => `"${name}" ${literal(value)}`);
    return `START_REPLICATION SLOT "${slot}" LOGICAL 0/0 (${list.join(', ')})`;
  };
  if (plugin === 'wal2json') {
    return [command({ ...WAL2JSON_OPTIONS, 'numeric-data-types-as-string': '1' }), command(WAL2JSON_OPTIONS)];
  }
  return [
    command({
      proto_version: '1',
      publication_names: `"${publication.replaceAll('"', '""')}"`,
      messages: 'true',
      ...(origin === 'none' ? { origin } : {}),
    }),
  ];
}

/** What src/decode/wal2json.ts reads. */
export const WAL2JSON_OPTIONS: Readonly<Record<string, string>> = {
  'format-version': '2',
  'include-transaction': '1',
  'include-xids': '1',
  'include-timestamp': '1',
  'include-lsn': '1',
  'include-pk': '1',
  'include-types': '0',
  'include-type-oids': '1',
};

function literal(text: string): string {
  return `'${text.replaceAll("'", "''")}'`;
}
