/** Shapes of the API, as JSON Schema: what is checked on the way in and shown in the OpenAPI document. */
import { rowJsonSchema } from '../../config/webhookSchema.ts';

const text = { type: 'string' } as const;
const textOrNull = { type: ['string', 'null'] } as const;
const count = { type: 'integer' } as const;
const countOrNull = { type: ['integer', 'null'] } as const;

export const problemSchema = {
  type: 'object',
  description: 'RFC 9457 problem details; code is of the catalogue of errors.',
  properties: {
    type: text,
    title: text,
    status: count,
    detail: text,
    code: text,
    remedy: text,
    errors: {
      type: 'array',
      items: { type: 'object', properties: { path: text, detail: text } },
      description: 'Each mistake of a webhook that was refused, with its path.',
    },
  },
} as const;

export const deliverySchema = {
  type: 'object',
  properties: {
    id: { ...text, description: 'As sent in webhook-id.' },
    webhook: { ...text, description: 'Its key.' },
    webhook_name: text,
    state: text,
    model: text,
    key: text,
    request_id: textOrNull,
    event_id: text,
    committed_at: text,
    attempts: count,
    status: countOrNull,
    error: textOrNull,
    detail: textOrNull,
    last_attempt_at: textOrNull,
    duration_ms: { type: ['number', 'null'] },
    next_at: textOrNull,
    ended_at: textOrNull,
    resent: { type: 'boolean' },
  },
} as const;

const filterText = (description: string) => ({ ...text, maxLength: 1_000, description });

export const filterProperties = {
  webhook: filterText('Name or key.'),
  state: filterText('waiting, active, delayed, parked, delivered, failed or cancelled.'),
  model: filterText('Name of a model.'),
  key: filterText("The row's key."),
  request_id: filterText('Of the Context.'),
  status: filterText('Of the last Attempt: an HTTP status, or the word of an error such as timeout.'),
  since: filterText('Committed at this time or later: ISO 8601, or how long ago, such as 2h.'),
  until: filterText('Committed before this time.'),
} as const;

export const listQuerySchema = {
  type: 'object',
  additionalProperties: false,
  properties: {
    ...filterProperties,
    cursor: filterText('Of the page before.'),
    limit: { type: 'integer', minimum: 1, maximum: 500, default: 50 },
  },
} as const;

export const manySchema = {
  type: 'object',
  additionalProperties: false,
  properties: {
    ...filterProperties,
    ids: { type: 'array', items: { ...text, maxLength: 200 }, maxItems: 1_000 },
    dry_run: { type: 'boolean', default: false, description: 'Answers the count and does nothing.' },
  },
} as const;

export const operatedSchema = {
  type: 'object',
  properties: {
    dry_run: { type: 'boolean' },
    count: { ...count, description: 'With dry_run: how many the filter means.' },
    done: count,
    skipped: count,
  },
} as const;

export const webhookSchema = {
  type: 'object',
  properties: {
    name: text,
    key: text,
    state: {
      ...text,
      description:
        'active, paused, parked, disabled, invalid (a row with mistakes), pending (a row that capturing has not come to yet), or orphan (defined no more).',
    },
    source: { ...textOrNull, description: 'file or row; null for an orphan.' },
    line: { ...countOrNull, description: 'In the configuration file.' },
    row: {
      type: ['object', 'null'],
      properties: {
        id: text,
        version: { ...textOrNull, description: 'As in ETag, for If-Match.' },
        pending: {
          ...text,
          description:
            'What was written and is not in force yet: nothing, new, changed, deleted; unknown where the table cannot be read.',
        },
        mistakes: {
          type: 'array',
          items: { type: 'object', properties: { path: text, message: text } },
          description: 'Why it is not in force.',
        },
      },
    },
    models: { type: 'array', items: text },
    events: { type: 'array', items: text },
    url: textOrNull,
    counts: { type: 'object', additionalProperties: true },
    definition: { type: ['object', 'null'], additionalProperties: true },
  },
} as const;

export const trySchema = {
  type: 'object',
  additionalProperties: false,
  required: ['event'],
  properties: {
    webhook: filterText('Name or key.'),
    definition: {
      type: 'object',
      additionalProperties: true,
      description: 'Instead of a name: a webhook as it would be kept as a row.',
    },
    event: { type: 'object', additionalProperties: true, description: 'An Event as it is sent.' },
  },
} as const;

/** Of the file's webhook: a row may say all but what is the file's alone. */
export const rowValuesSchema = rowJsonSchema();

export const ifMatchSchema = {
  type: 'object',
  properties: {
    'if-match': { ...text, description: 'The ETag that was read: refuses with 412 where it is another now.' },
  },
} as const;

export const nameParam = {
  type: 'object',
  properties: { name: { ...text, description: 'Name or key of a webhook.' } },
} as const;

export const idParam = { type: 'object', properties: { id: text } } as const;

export const anything = { type: 'object', additionalProperties: true } as const;
