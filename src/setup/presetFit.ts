/**
 * A preset describes an application of some version; the database at hand may hold another. What the preset
 * names and the database has not is left out of the Models, and told: in the log of run, as findings of check.
 */
import type { ClientBase, Pool } from 'pg';
import type { IncludeConfig, ModelConfig } from '../config/modelSchema.ts';
import { presetTables } from '../config/presets/preset.ts';
import type { Config } from '../config/schema.ts';
import { companionTables, type TableRef } from '../config/watchedTables.ts';
import type { Finding } from './check.ts';
import { qualified } from './names.ts';

/** What the database has of what a preset names. */
export interface FoundTables {
  /** `schema.table` → its columns, and whether it sends rows as they were. */
  readonly tables: ReadonlyMap<string, { readonly columns: ReadonlySet<string>; readonly isFull: boolean }>;
}

export interface PresetFit {
  /** The configuration without what the database has not. */
  readonly config: Config;
  /** One sentence for each thing that was left out. */
  readonly notes: readonly string[];
  /** Tables of the preset that send no row as it was. */
  readonly keyOnly: readonly TableRef[];
}

const TABLES = `
  select n.nspname || '.' || c.relname as name, c.relreplident = 'f' as is_full,
    array_agg(a.attname::text) as columns
  from pg_catalog.pg_class c
  join pg_catalog.pg_namespace n on n.oid = c.relnamespace
  join pg_catalog.pg_attribute a on a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped
  where n.nspname || '.' || c.relname = any ($1::text[])
  group by n.nspname, c.relname, c.relreplident`;

/** Compares the configuration's preset with the database. Without a preset, nothing is asked or changed. */
export async function readPresetFit(client: ClientBase | Pool, config: Config): Promise<PresetFit> {
  if (config.preset === null) return { config, notes: [], keyOnly: [] };
  const names = [...config.models.map(({ table }) => table), ...companionTables(config)].map(nameOf);
  const { rows } = await client.query<{ name: string; is_full: boolean; columns: string[] }>(TABLES, [names]);
  return fitPreset(config, {
    tables: new Map(
      rows.map((row) => [row.name, { columns: new Set(row.columns), isFull: row.is_full }] as const),
    ),
  });
}

/** Only what comes from the preset is left out; what the file names itself stays as it is written. */
export function fitPreset(config: Config, found: FoundTables): PresetFit {
  const ofPreset = presetTables(config.preset);
  const isMissing = (table: TableRef) => ofPreset.has(nameOf(table)) && !found.tables.has(nameOf(table));
  const notes: string[] = [];
  const models = config.models.flatMap((model): ModelConfig[] => {
    if (isMissing(model.table)) {
      notes.push(`there is no table ${nameOf(model.table)}: the model ${model.name} is left out`);
      return [];
    }
    if (!ofPreset.has(nameOf(model.table))) return [model];
    notes.push(...missingColumns(model, found));
    return [{ ...model, include: presentIncludes(model, isMissing, notes) }];
  });
  const context = (config.context ?? []).filter((source) => {
    if (!('table' in source) || !isMissing(source.table)) return true;
    notes.push(`there is no table ${nameOf(source.table)}: who made a Change is not known from it`);
    return false;
  });
  const fitted = { ...config, models, context };
  const needed = [...models.map(({ table }) => table), ...joinTables(models)];
  return {
    config: fitted,
    notes,
    keyOnly: needed.filter(
      (table) => ofPreset.has(nameOf(table)) && found.tables.get(nameOf(table))?.isFull === false,
    ),
  };
}

function presentIncludes(
  model: ModelConfig,
  isMissing: (table: TableRef) => boolean,
  notes: string[],
): Record<string, IncludeConfig> {
  const present = Object.entries(model.include).filter(([name, { through, table }]) => {
    const missing = [through, table].find(isMissing);
    if (missing !== undefined) {
      notes.push(`there is no table ${nameOf(missing)}: ${name} of the model ${model.name} is left out`);
    }
    return missing === undefined;
  });
  return Object.fromEntries(present);
}

function missingColumns(model: ModelConfig, found: FoundTables): string[] {
  const columns = found.tables.get(nameOf(model.table))?.columns;
  const missing = (model.snapshot_order ?? []).filter(
    (field) => columns?.has(field) === false && !columns.has(`${field}_id`),
  );
  return missing.length === 0 ? [] : [`${nameOf(model.table)} has no column ${missing.join(', ')}`];
}

/** Their deleted rows say whose they were only as a whole. */
function joinTables(models: readonly ModelConfig[]): TableRef[] {
  const all = models.flatMap(({ include }) => Object.values(include).map(({ through }) => through));
  return [...new Map(all.map((table) => [nameOf(table), table])).values()];
}

function nameOf({ schema, table }: TableRef): string {
  return `${schema}.${table}`;
}

/** What check says of it: advice, for the daemon runs with what there is. */
export function presetFindings({ config, notes, keyOnly }: PresetFit): Finding[] {
  const findings = notes.map(
    (note): Finding => ({
      code: 'PRESET_MISFIT',
      level: 'advice',
      message: `expected the tables of the preset ${config.preset}, found that ${note}`,
      remedy: 'nothing, if this version of the application has none; or name it under models',
    }),
  );
  const [first] = keyOnly;
  if (first === undefined) return findings;
  const alter = ({ schema, table }: TableRef) =>
    `ALTER TABLE ${qualified({ schema, name: table })} REPLICA IDENTITY FULL;`;
  return [
    ...findings,
    {
      code: 'NO_BEFORE_IMAGE',
      level: 'advice',
      message: `expected the tables of the preset ${config.preset} to send rows as they were, found ${keyOnly.length} that send their keys: prechange holds nothing, polled columns make Events, removed tags and policies are not known`,
      remedy: keyOnly.map(alter).join(' '),
    },
  ];
}
