/**
 * What is wrong with a configuration beyond its shape: templates and conditions that cannot be compiled,
 * names of columns that were excluded, rule tests of no webhook.
 *
 * Works on the file as written, so that these mistakes are told beside those of its shape, all at once.
 */
import type { LoadResult, RawWebhook } from '../config/load.ts';
import type { Finding, Mistake, Path } from '../config/mistakes.ts';
import type { ConditionMode } from '../match/conditions/condition.ts';
import { parseConditions } from '../match/conditions/parse.ts';
import { readsOf } from '../match/conditions/reads.ts';
import { compileTemplate } from '../template/engine.ts';
import { checkModel } from './reading.ts';
import { checkWebhook } from './webhooks.ts';

/** Every mistake of a loaded file, of its shape and beyond, by line. */
export function checkConfig(result: LoadResult): Mistake[] {
  const models = result.models.filter(isObject);
  const findings: Finding[] = [
    ...result.webhooks.flatMap((webhook, i) => checkWebhook(webhook, ['webhooks', i])),
    ...result.models.flatMap((model, i) => (isObject(model) ? checkModel(model, ['models', i]) : [])),
    ...result.models.flatMap((model, i) => (isObject(model) ? excludedInModel(model, ['models', i]) : [])),
    ...result.webhooks.flatMap((webhook, i) => excludedInWebhook(webhook, ['webhooks', i], models)),
    ...unknownWebhooks(result),
  ];
  // What a missing variable would have been is not known to be wrong.
  const unresolved = new Set(result.warnings.map(({ path }) => path));
  const placed = findings.map((finding) => result.place(finding)).filter(({ path }) => !unresolved.has(path));
  return [...result.mistakes, ...placed].sort((a, b) => (a.line ?? 0) - (b.line ?? 0));
}

/** A model's own texts are over its `data`. */
function excludedInModel(model: Raw, path: Path): Finding[] {
  const excluded = excludedOf(model);
  return (['display', 'url'] as const).flatMap((field) =>
    referencesOf(model[field]).flatMap(([name = '']) =>
      excluded.has(name) ? [excludedFinding([...path, field], name, String(model['name']))] : [],
    ),
  );
}

/**
 * Names that every Model of the webhook excludes. Where another of its Models has the column, naming it can
 * make sense.
 */
export function excludedInWebhook(webhook: RawWebhook, path: Path, models: readonly Raw[]): Finding[] {
  const names = webhook['models'];
  if (!Array.isArray(names) || names.length === 0) return [];
  const watched = names.map((name) => models.find((model) => model['name'] === name));
  const isExcluded = (column: string) =>
    watched.every((model) => model !== undefined && excludedOf(model).has(column));
  const finding = (at: Path, column: string) => excludedFinding(at, column, names.join(', '));
  return [
    ...conditionColumns(webhook).flatMap(({ at, column }) =>
      isExcluded(column) ? [finding([...path, ...at], column)] : [],
    ),
    ...TEMPLATES.flatMap((field) => {
      const columns = referencesOf(webhook[field]).flatMap((reference) => rowColumn(reference) ?? []);
      return [...new Set(columns)].filter(isExcluded).map((column) => finding([...path, field], column));
    }),
  ];
}

const TEMPLATES = ['url', 'additional_headers', 'body_template'] as const;

/** The column that a template's path names: below `data`, a snapshot, or `changes`. */
function rowColumn([root, first, second]: readonly string[]): string | undefined {
  if (root === 'data' || root === 'changes') return first;
  return root === 'snapshots' ? second : undefined;
}

function referencesOf(source: unknown): readonly (readonly string[])[] {
  if (typeof source !== 'string') return [];
  try {
    return compileTemplate(source, { path: '', undefined: 'lenient' }).references;
  } catch {
    // Told by checkWebhook and checkModel.
    return [];
  }
}

/** What the conditions and `columns` of a webhook read of the row, and where in the webhook. */
function conditionColumns(webhook: RawWebhook): { at: Path; column: string }[] {
  const mode: ConditionMode = webhook['conditions_mode'] === 'lenient' ? 'lenient' : 'strict';
  const parsed = parseConditions(webhook['conditions'], mode, 'conditions');
  const reads = parsed.ok ? readsOf(parsed.conditions) : readsOf(null);
  const read = [...reads.data, ...reads.prechange, ...reads.postchange, ...reads.change];
  const columns = Array.isArray(webhook['columns']) ? webhook['columns'] : [];
  return [
    ...read.map(({ at, row }) => ({ at: leafPath(at), column: row.first })),
    ...columns.map((column: unknown, i) => ({
      at: ['columns', i],
      column: String(column).split('.')[0] ?? '',
    })),
  ];
}

/** `conditions.and[1]` as a path to the leaf's `attr`. */
function leafPath(at: string): Path {
  const parts = [...at.matchAll(/([a-z]+)|\[(\d+)\]/g)].map(([, key, index]) => key ?? Number(index));
  return [...parts, 'attr'];
}

function excludedOf(model: Raw): ReadonlySet<unknown> {
  const { exclude } = model;
  return new Set(Array.isArray(exclude) ? exclude : []);
}

function excludedFinding(path: Path, column: string, model: string): Finding {
  return {
    path,
    message: `expected columns that the model has, found ${column}, which exclude of ${model} leaves out`,
  };
}

function unknownWebhooks({ tests, webhooks }: LoadResult): Finding[] {
  const names = new Set(webhooks.map((webhook) => webhook['name']));
  return tests.flatMap((test, i) => {
    const name = isObject(test) ? test['webhook'] : undefined;
    return typeof name !== 'string' || names.has(name)
      ? []
      : [
          {
            path: ['tests', i, 'webhook'],
            message: `expected the name of a webhook, found none of that name`,
          },
        ];
  });
}

type Raw = Readonly<Record<string, unknown>>;

function isObject(value: unknown): value is Raw {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
