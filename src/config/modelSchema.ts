/** The shape of a model in the configuration file: how the rows of a table are represented. */
import { z } from 'zod';
import { tableName } from './fields.ts';

const scalar = z.union([z.string(), z.number(), z.boolean()]);

const include = z.strictObject({
  table: tableName().describe('The rows to include.'),
  through: tableName().describe('The join table.'),
  source: z.string().min(1).describe("Column of the join table that holds this row's key."),
  target: z.string().min(1).describe("Column of the join table that holds the included row's key."),
  where: z
    .record(
      z.string(),
      z.union([scalar, z.strictObject({ table: tableName(), match: z.record(z.string(), scalar) })]),
    )
    .default({})
    .describe('Column of the join table → value, or the key of the row of a table that matches.'),
  touch: z
    .boolean()
    .default(false)
    .describe('A change of the join rows is an `updated` Event of this model.'),
});

export const modelSchema = z.strictObject({
  name: z.string().min(1).max(150),
  table: tableName().describe('schema.table'),
  display: z.string().min(1).nullable().default(null).describe('A template over data.'),
  url: z.string().min(1).nullable().default(null).describe('A template over data.'),
  texts: z
    .record(z.string().min(1), z.string().min(1))
    .default({})
    .describe('Further members of data made by templates over the others, by name.'),
  naming: z
    .enum(['columns', 'fields'])
    .default('columns')
    .describe('fields: a foreign key column x_id is called x.'),
  foreign_keys: z
    .union([z.enum(['id', 'expand']), z.array(z.string().min(1))])
    .default('id')
    .describe('expand: the row that a foreign key points to stands in data; or a list of columns.'),
  choices: z
    .record(z.string(), z.record(z.string(), z.string()))
    .default({})
    .describe('Column → value → label; in data such a value is {value, label}.'),
  include: z.record(z.string().min(1), include).default({}),
  fields: z
    .array(z.string().min(1))
    .min(1)
    .nullable()
    .default(null)
    .describe('The members of data in their order; null: all. What is not named stays in snapshots.'),
  brief: z
    .array(z.string().min(1))
    .min(1)
    .nullable()
    .default(null)
    .describe('The members of the row where it stands in the data of another; null: as fields.'),
  snapshot_order: z
    .array(z.string().min(1))
    .nullable()
    .default(null)
    .describe('Order of snapshots where payload_format is that of another application.'),
  exclude: z.array(z.string()).default([]).describe('Columns that do not exist after decoding.'),
  ignore_changes: z
    .array(z.string())
    .default([])
    .describe('An update of nothing but these columns makes no Event.'),
  before_image: z
    .enum(['full'])
    .nullable()
    .default(null)
    .describe('full: setup sets REPLICA IDENTITY FULL on the table, if asked with --identities.'),
});

export type ModelConfig = z.output<typeof modelSchema>;
export type IncludeConfig = ModelConfig['include'][string];
