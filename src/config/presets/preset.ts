/**
 * Puts a preset below what the file says: its Models and context sources in the form in which a file writes
 * them, so that everything else knows Models and not presets. Pure.
 *
 * An entry of `models` extends the preset's of the same table, or of the same name where it names no table, key
 * by key; `choices`, `include` and `texts` are merged by their keys. With the name of one and another table it
 * replaces it. Entries of the file keep their places, so that mistakes are
 * shown at their lines; the preset's others follow. The file's `context` is asked before the preset's; an audit
 * table that the file names itself is the file's.
 */
import { isObject } from '../exports.ts';
import { peeringManager } from './peeringManager/peeringManager.ts';

export type RawModel = Readonly<Record<string, unknown>>;
export type RawContext = Readonly<Record<string, unknown>>;

export interface Preset {
  readonly models: readonly RawModel[];
  readonly context: readonly RawContext[];
}

export const PRESET_NAMES = ['peering-manager'] as const;
type PresetName = (typeof PRESET_NAMES)[number];

const PRESETS: Readonly<Record<PresetName, () => Preset>> = { 'peering-manager': peeringManager };

/** The file's content with its preset applied; without one, as it is. */
export function withPreset(root: Readonly<Record<string, unknown>>): Record<string, unknown> {
  const name = PRESET_NAMES.find((known) => known === root['preset']);
  const models = root['models'] ?? [];
  const context = root['context'] ?? [];
  if (name === undefined || !Array.isArray(models) || !Array.isArray(context)) return { ...root };
  const preset = PRESETS[name]();
  return {
    ...root,
    models: mergedModels(models, preset.models),
    context: mergedContext(context, preset.context),
  };
}

/** `schema.table` of every table that a preset names. */
export function presetTables(name: string | null): ReadonlySet<string> {
  const known = PRESET_NAMES.find((one) => one === name);
  if (known === undefined) return new Set();
  const { models, context } = PRESETS[known]();
  const included = models.flatMap(({ include }) =>
    isObject(include)
      ? Object.values(include).flatMap((one) => (isObject(one) ? [one['through'], one['table']] : []))
      : [],
  );
  const all = [...models, ...context].map((one) => one['table']);
  return new Set([...all, ...included].filter((table) => typeof table === 'string'));
}

function mergedModels(written: readonly unknown[], preset: readonly RawModel[]): unknown[] {
  const used = new Set<RawModel>();
  const merged = written.map((entry) => {
    if (!isObject(entry)) return entry;
    const byTable = preset.find((model) => isSameTable(model['table'], entry['table']));
    const byName = preset.find((model) => model['name'] === entry['name']);
    // A name may be given to another table altogether: nothing of the preset is meant for that.
    if (byName !== undefined) used.add(byName);
    const base = byTable ?? (entry['table'] === undefined ? byName : undefined);
    if (base === undefined) return entry;
    used.add(base);
    return mergedModel(base, entry);
  });
  return [...merged, ...preset.filter((model) => !used.has(model))];
}

const MERGED_BY_KEY = ['choices', 'include', 'texts'] as const;

function mergedModel(base: RawModel, entry: RawModel): RawModel {
  const merged: Record<string, unknown> = { ...base, ...entry };
  for (const key of MERGED_BY_KEY) {
    const above = entry[key];
    const below = base[key];
    if (isObject(above) && isObject(below)) merged[key] = { ...below, ...above };
  }
  return merged;
}

function mergedContext(written: readonly unknown[], preset: readonly RawContext[]): unknown[] {
  const isWritten = (source: RawContext) =>
    written.some(
      (one) =>
        isObject(one) &&
        ((source['message'] !== undefined && one['message'] === source['message']) ||
          (source['table'] !== undefined && isSameTable(source['table'], one['table']))),
    );
  return [...written, ...preset.filter((source) => !isWritten(source))];
}

function isSameTable(a: unknown, b: unknown): boolean {
  return typeof a === 'string' && typeof b === 'string' && qualified(a) === qualified(b);
}

function qualified(table: string): string {
  return table.includes('.') ? table : `public.${table}`;
}
