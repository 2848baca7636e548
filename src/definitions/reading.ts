/**
 * How rows are read, made from the configuration: models and how they are represented, and where context
 * comes from.
 */
import type { AuditSource } from '../change/auditContext.ts';
import type { MessageSource } from '../change/messageContext.ts';
import type { ContextOption, ModelOptions } from '../change/table.ts';
import { formatPath } from '../config/mistakes.ts';
import type { IncludeConfig, ModelConfig } from '../config/modelSchema.ts';
import type { Config } from '../config/schema.ts';
import type { IncludeOptions, RepresentOptions, WhereOption } from '../represent/shape.ts';
import { ownSchemas } from '../setup/ownSchemas.ts';
import { compileTemplate } from '../template/engine.ts';

export interface ReadingDefinitions {
  readonly models: readonly ModelOptions[];
  /** By model. */
  readonly represent: ReadonlyMap<string, RepresentOptions>;
  readonly context: readonly ContextOption[];
  /** Schemas whose Changes are never Events: walhook's own and its queue's. */
  readonly ownSchemas: readonly string[];
  readonly messageSources: readonly MessageSource[];
  readonly auditSources: readonly AuditSource[];
}

/** Throws TEMPLATE_INVALID for a text of a model that cannot be compiled. */
export function defineReading(config: Config): ReadingDefinitions {
  return {
    ...defineContext(config),
    ownSchemas: ownSchemas(config.queue.prefix),
    models: config.models.map(
      (model): ModelOptions => ({
        name: model.name,
        ...model.table,
        exclude: model.exclude,
        naming: model.naming,
        ignoreChanges: model.ignore_changes,
      }),
    ),
    represent: new Map(config.models.map((model, i) => [model.name, representOptions(model, ['models', i])])),
  };
}

const MODEL_TEXTS = ['url', 'display'] as const;

/** What is wrong with the templates of a model as written. */
export function checkModel(model: Readonly<Record<string, unknown>>, path: readonly (string | number)[]) {
  const texts = model['texts'];
  const more = typeof texts === 'object' && texts !== null ? Object.entries(texts) : [];
  return [
    ...MODEL_TEXTS.flatMap((field) => checkText(model[field], [...path, field])),
    ...more.flatMap(([name, source]) => checkText(source, [...path, 'texts', name])),
  ];
}

function checkText(source: unknown, path: readonly (string | number)[]) {
  if (typeof source !== 'string') return [];
  try {
    compileText(source, path);
    return [];
  } catch (error) {
    return [{ path, message: error instanceof Error ? error.message : String(error) }];
  }
}

function representOptions(model: ModelConfig, path: readonly (string | number)[]): RepresentOptions {
  return {
    model: model.name,
    texts: [
      ...MODEL_TEXTS.flatMap((name) => {
        const source = model[name];
        return source === null ? [] : [{ name, template: compileText(source, [...path, name]) }];
      }),
      ...Object.entries(model.texts).map(([name, source]) => ({
        name,
        template: compileText(source, [...path, 'texts', name]),
      })),
    ],
    expand:
      model.foreign_keys === 'expand' ? 'all' : model.foreign_keys === 'id' ? 'none' : model.foreign_keys,
    choices: model.choices,
    includes: Object.entries(model.include).map(([name, include]) => includeOptions(name, include)),
    fields: model.fields,
    brief: model.brief,
    snapshotOrder: model.snapshot_order,
  };
}

/** Strict: a text that reads what is not there is missing, not half said. */
function compileText(source: string, path: readonly (string | number)[]) {
  return compileTemplate(source, { path: formatPath(path), undefined: 'strict' });
}

function includeOptions(name: string, include: IncludeConfig): IncludeOptions {
  return {
    name,
    ...include.table,
    through: include.through,
    source: include.source,
    target: include.target,
    where: Object.entries(include.where).map(
      ([column, equals]): WhereOption => ({
        column,
        equals:
          typeof equals === 'object'
            ? {
                kind: 'key',
                ...equals.table,
                match: Object.entries(equals.match).map(([key, value]) => [key, String(value)] as const),
              }
            : { kind: 'value', text: scalarText(equals) },
      }),
    ),
    touch: include.touch,
  };
}

/** As PostgreSQL writes it. */
function scalarText(value: string | number | boolean): string {
  return typeof value === 'boolean' ? (value ? 't' : 'f') : String(value);
}

const DEFAULT_MESSAGE: MessageSource = {
  prefix: 'walhook',
  username: 'username',
  requestId: 'request_id',
  allowMute: false,
};

/** By default the message `walhook`, then walhook.track's columns. */
function defineContext(
  config: Config,
): Pick<ReadingDefinitions, 'context' | 'messageSources' | 'auditSources'> {
  if (config.context === null) {
    return {
      context: [{ kind: 'message', source: 0 }, { kind: 'tracked' }],
      messageSources: [DEFAULT_MESSAGE],
      auditSources: [],
    };
  }
  const messageSources: MessageSource[] = [];
  const auditSources: AuditSource[] = [];
  const context = config.context.map((source): ContextOption => {
    if ('message' in source) {
      const { message: prefix, username, request_id: requestId, allow_mute: allowMute } = source;
      return { kind: 'message', source: messageSources.push({ prefix, username, requestId, allowMute }) - 1 };
    }
    if ('table' in source) {
      const { table, username, request_id: requestId, match } = source;
      const audit = { ...table, username, requestId, match: Object.entries(match) };
      return { kind: 'audit', source: auditSources.push(audit) - 1 };
    }
    const { username, request_id: requestId } = source.columns;
    return { kind: 'columns', username, requestId, trust: source.trust };
  });
  return { context, messageSources, auditSources };
}
