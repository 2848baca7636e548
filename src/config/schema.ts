/**
 * The shape of the configuration file, the one source of its types, its defaults, its JSON Schema and its
 * error messages. A key is here when it works.
 */
import { z } from 'zod';
import { ADDRESS_POLICIES } from '../core/addressRules.ts';
import { PLUGINS } from '../core/plugins.ts';
import { TLS_MODES } from '../database/tlsModes.ts';
import { adminSchema } from './adminSchema.ts';
import {
  allowedAddress,
  count,
  duration,
  hostPattern,
  identifier,
  secret,
  size,
  tableName,
  url,
} from './fields.ts';
import { withExports, withVariables } from './jsonSchema.ts';
import type { Path } from './mistakes.ts';
import { modelSchema } from './modelSchema.ts';
import { PRESET_NAMES } from './presets/preset.ts';
import { queueSchema, retentionSchema } from './queueSchema.ts';
import { defaultsSchema, SECRET_NAME, webhookSchema } from './webhookSchema.ts';

const MIB = 1_048_576;

const postgresKeys = z.strictObject({
  url: url(['postgres:', 'postgresql:'], 'expected a URL such as postgres://user@host:5432/database')
    .nullable()
    .default(null)
    .describe('Catalog and look-ups. null: PGHOST, PGUSER and the like.'),
  replication_url: url(
    ['postgres:', 'postgresql:'],
    'expected a URL such as postgres://user@host:5432/database',
  )
    .nullable()
    .default(null)
    .describe("The slot's connection, which may not go through a pooler. null: url."),
  tls: z
    .strictObject({
      mode: z.enum(TLS_MODES).nullable().default(null).describe("libpq's sslmode."),
      ca: z.string().nullable().default(null).describe('Path of a PEM file.'),
      cert: z.string().nullable().default(null).describe('Path of a PEM file.'),
      key: z.string().nullable().default(null).describe('Path of a PEM file.'),
    })
    .prefault({}),
  plugin: z
    .enum(PLUGINS)
    .default('pgoutput')
    .describe("The slot's output plugin. wal2json where pgoutput cannot be used; docs/wal2json.md."),
  slot: identifier('slot name').default('walhook'),
  publication: identifier('publication name').default('walhook'),
  tables: z
    .array(z.string().min(1))
    .min(1)
    .nullable()
    .default(null)
    .describe(
      'What setup publishes, e.g. ["public.*", "!public.django_session"]. null: the tables of models, else all that have a key.',
    ),
  origin: z
    .enum(['any', 'none'])
    .default('any')
    .describe('none: skip what replication brought into the database (PostgreSQL 16 and later).'),
  heartbeat: z
    .union([z.literal('off'), duration(1_000, 3_600_000)])
    .prefault('30s')
    .describe('How often a small message is written, so that an idle database pins no WAL and lag is known.'),
  wal_budget: size(MIB, 1_048_576 * MIB)
    .nullable()
    .default(null)
    .describe(
      'WAL that the slot should never keep, e.g. 10GiB. The smaller of this and max_slot_wal_keep_size counts.',
    ),
});

const postgres = postgresKeys.refine(({ plugin, origin }) => plugin === 'pgoutput' || origin === 'any', {
  path: ['origin'],
  error: 'expected any: wal2json does not know where a row comes from',
});

const trust = z
  .enum(['changed', 'always'])
  .default('changed')
  .describe('changed: a column is believed only when this Change wrote it.');

const context = z.array(
  z.union([
    z.strictObject({
      message: z
        .string()
        .min(1)
        .max(200)
        .describe('Prefix of a logical message whose content is a JSON object.'),
      username: z.string().min(1).default('username').describe('Key of the object.'),
      request_id: z.string().min(1).default('request_id').describe('Key of the object.'),
      allow_mute: z.boolean().default(false).describe('walhook.mute() makes a Transaction fire nothing.'),
    }),
    z.strictObject({
      table: tableName().describe('An audit table that is written in the same Transaction.'),
      username: z.string().min(1).nullable().default(null).describe('Its column.'),
      request_id: z.string().min(1).nullable().default(null).describe('Its column.'),
      match: z
        .record(z.string(), z.string())
        .default({})
        .describe("Its column → the changed row's column: which of its rows speak for which Change."),
    }),
    z.strictObject({
      columns: z.strictObject({
        username: z.string().nullable().default(null),
        request_id: z.string().nullable().default(null),
      }),
      trust,
    }),
  ]),
);

const ruleTest = z.strictObject({
  webhook: z.string().min(1),
  event: z.record(z.string(), z.unknown()).describe('An Event.'),
  expect: z.strictObject({
    matched: z.boolean().optional(),
    url: z.string().optional(),
    headers: z.record(z.string(), z.string()).optional(),
    body: z.unknown().optional().describe('A text, or JSON of which every key must be in the body.'),
    error: z.string().optional().describe('The code of the error.'),
  }),
});

const ALERTS = ['slot_budget', 'webhook_failing', 'overflow', 'gap', 'reload_failed'] as const;

const alert = z.strictObject({
  on: z.array(z.enum(ALERTS)).min(1).describe('What it tells of.'),
  url: url(['http:', 'https:'], 'expected a URL such as https://alerts.example.com/walhook'),
  secret: secret().nullable().default(null).describe('Signs it like any webhook.'),
});

export const configSchema = z.strictObject({
  environment: z
    .string()
    .regex(/^[A-Za-z0-9._-]{1,63}$/, {
      error: 'expected up to 63 letters, digits, dots, dashes, underscores',
    })
    .default('default')
    .describe('e.g. production: binds slot and queue to one another.'),
  postgres: postgres.prefault({}),
  queue: queueSchema,
  admin: adminSchema.describe('Page, API and metrics. false: none.'),
  context: context.nullable().default(null).describe('Where username and request_id come from.'),
  addresses: z
    .strictObject({
      policy: z
        .enum(ADDRESS_POLICIES)
        .default('internal')
        .describe(
          'Where requests may go. internal: public and private networks; strict: public only; off: anywhere.',
        ),
      allow: z
        .array(allowedAddress())
        .max(1_000)
        .default([])
        .describe('Exceptions, e.g. ["10.0.0.0/8", "localhost:9000"].'),
    })
    .prefault({})
    .describe('Cloud metadata services and the database and queue of walhook are always refused.'),
  preset: z
    .enum(PRESET_NAMES)
    .nullable()
    .default(null)
    .describe('Models, context and choices of an application.'),
  models: z.array(modelSchema).default([]),
  webhooks: z.array(webhookSchema).default([]),
  defaults: defaultsSchema.prefault({}),
  rows: z
    .strictObject({
      allow_hosts: z
        .array(hostPattern())
        .max(1_000)
        .default(['*'])
        .describe('Hosts that they may send to, e.g. ["hooks.example.com", "*.example.com"]; "*": any.'),
    })
    .prefault({})
    .describe('Webhooks kept as rows of walhook.webhook. Where they may go is bound by addresses too.'),
  secrets: z
    .record(
      z.string().regex(SECRET_NAME, 'expected a name of letters, digits, dots, dashes and underscores'),
      z.union([secret(), z.array(secret()).min(1).max(10)]),
    )
    .default({})
    .describe('What rows may name as secret_name, by name; a list while rotating, the newest first.'),
  limits: z
    .strictObject({
      value: size(1, 512 * MIB)
        .prefault('1MiB')
        .describe('A longer value is left out as too_large.'),
      event: size(1_024, 512 * MIB)
        .prefault('4MiB')
        .describe('A larger Event loses its largest values.'),
      message: size(131_072, 512 * MIB)
        .prefault('64MiB')
        .describe('A longer replication message is skipped and becomes a failed Delivery.'),
      lookahead: count(0, 1_000_000)
        .default(10_000)
        .describe('Changes of one Transaction that are held back for its audit rows or for collapse.'),
    })
    .prefault({}),
  alerts: z.array(alert).max(20).default([]).describe('Where what a person should know at once is sent.'),
  templates: z
    .strictObject({
      env: z.array(z.string().min(1)).default([]).describe('Names that the env filter may read.'),
    })
    .prefault({}),
  tests: z.array(ruleTest).default([]).describe('Rule tests, run by walhook validate --test.'),
  retention: retentionSchema.prefault({}),
  log: z
    .strictObject({
      level: z.enum(['trace', 'debug', 'info', 'warn', 'error']).default('info'),
      format: z.enum(['json', 'text']).default('json'),
      payloads: z
        .enum(['full', 'metadata', 'none'])
        .default('full')
        .describe('What the log of Attempts keeps: everything, no bodies, or neither heads nor bodies.'),
    })
    .prefault({}),
  shutdown_timeout: duration(0, 600_000).prefault('25s').describe('For draining after SIGTERM.'),
});

export type Config = z.output<typeof configSchema>;

/** The JSON Schema of the file, for editors: what the parser takes, exports and variables included. */
export function configJsonSchema(): Record<string, unknown> {
  return { title: 'walhook configuration', ...withVariables(withExports(configShape())) };
}

/** The shape of the file once its variables are resolved and its exports translated, for the reference. */
export function configShape(): Record<string, unknown> {
  return z.toJSONSchema(configSchema, { io: 'input' });
}

/** The keys that an object at a path of the file may have, for suggestions. */
export function keysAt(path: Path): readonly string[] {
  let node: JsonSchema | undefined = configShape() as JsonSchema;
  for (const part of path) {
    const choices: readonly JsonSchema[] = node?.anyOf ?? (node === undefined ? [] : [node]);
    node = choices
      .map((choice) => (typeof part === 'number' ? choice.items : choice.properties?.[part]))
      .find((found) => found !== undefined);
  }
  const choices = node?.anyOf ?? (node === undefined ? [] : [node]);
  return choices.flatMap((choice) => Object.keys(choice.properties ?? {}));
}

interface JsonSchema {
  readonly properties?: Readonly<Record<string, JsonSchema>>;
  readonly items?: JsonSchema;
  readonly anyOf?: readonly JsonSchema[];
}
