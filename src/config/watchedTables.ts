/** Which tables a configuration is about. Pure. */
import type { Config } from './schema.ts';

export interface TableRef {
  readonly schema: string;
  readonly table: string;
}

/**
 * Tables that models need beside their own: join tables, included rows, audit tables. None where there are
 * no models: then every table is watched.
 */
export function companionTables(config: Pick<Config, 'models' | 'context'>): TableRef[] {
  if (config.models.length === 0) return [];
  const included = config.models.flatMap(({ include }) =>
    Object.values(include).flatMap(({ through, table }) => [through, table]),
  );
  const audits = (config.context ?? []).flatMap((source) => ('table' in source ? source.table : []));
  const byName = new Map([...included, ...audits].map((one) => [`${one.schema}.${one.table}`, one]));
  for (const { table } of config.models) byName.delete(`${table.schema}.${table.table}`);
  return [...byName.values()];
}
