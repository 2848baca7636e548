/** The shape of a webhook in the configuration file. */
import { z } from 'zod';
import { EVENT_FORMATS } from '../core/eventFormat.ts';
import { count, duration, secret, url } from './fields.ts';
import { backlogSchema, brakeSchema } from './queueSchema.ts';

export const EVENT_KINDS = ['created', 'updated', 'deleted', 'truncated'] as const;
export const HTTP_METHODS = ['GET', 'POST', 'PUT', 'PATCH', 'DELETE'] as const;

const DEFAULT_SCHEDULE = ['5s', '30s', '2m', '10m', '30m', '2h', '5h', '10h', '14h', '20h', '24h'];
const DAY_MS = 86_400_000;

/** The path of a file. */
const file = () => z.string().min(1).max(4_096).nullable().default(null);

const retry = z.strictObject({
  schedule: z
    .array(duration(0, 30 * DAY_MS))
    .max(50)
    .prefault(DEFAULT_SCHEDULE)
    .describe('Delay before each retry, half of it random. An empty list: never retry.'),
  max_age: duration(1_000, 90 * DAY_MS)
    .prefault('7d')
    .describe('A Delivery older than this is not retried any more.'),
});

/** Every key that `defaults` may set, each with its own default. */
const settings = {
  enabled: z.boolean().default(true).describe('false: Changes pass by.'),
  conditions: z
    .unknown()
    .default(null)
    .describe('When it fires: {and: […]}, {or: […]} or one condition {attr, op, value, negate}.'),
  columns: z
    .array(z.string().min(1))
    .default([])
    .describe('An update matters only if one of these columns changed. Empty: any.'),
  conditions_mode: z
    .enum(['strict', 'lenient'])
    .default('strict')
    .describe('strict: as NetBox, an unknown path is an error. lenient: as Peering Manager, it is null.'),
  on_unavailable: z
    .enum(['error', 'fire', 'skip'])
    .default('error')
    .describe('When the result hangs on a value that is not at hand.'),
  require: z
    .array(z.enum(['username', 'request_id']))
    .default([])
    .describe('Only Changes of which this is known.'),
  collapse: z
    .boolean()
    .optional()
    .describe(
      'Several changes of one row in one Transaction become one Event. Default: where a model touches.',
    ),
  http_method: z.enum(HTTP_METHODS).default('POST'),
  http_content_type: z
    .string()
    .max(128)
    .regex(/^[\x21-\x7e](?:[\t\x20-\x7e]*[\x21-\x7e])?$/, {
      error: 'expected a content type such as application/json, in printable ASCII',
    })
    .default('application/json'),
  additional_headers: z.string().default('').describe('A template; one `Name: value` per line of its text.'),
  body_template: z.string().default('').describe('A template; empty: the Event as JSON.'),
  payload_format: z
    .enum(EVENT_FORMATS)
    .default('walhook')
    .describe('Names and values in body and templates.'),
  undefined: z
    .enum(['lenient', 'strict'])
    .default('lenient')
    .describe('What an unknown name in a template is: empty (lenient) or an error (strict).'),
  allow_templated_host: z
    .boolean()
    .default(false)
    .describe('Lets data have a say in scheme, host and port of the url.'),
  secret: z
    .union([secret(), z.array(secret()).max(10)])
    .nullable()
    .default(null)
    .describe('Signs each request; a list while rotating, the newest first.'),
  signature: z
    .enum(['netbox', 'standard', 'both'])
    .default('both')
    .describe('Which signature headers are sent where there is a secret.'),
  ssl_verification: z
    .boolean()
    .default(true)
    .describe('false: any certificate is accepted, which protects from nobody.'),
  ca_file_path: file().describe("PEM file of the authorities to trust instead of the system's."),
  cert_file_path: file().describe('PEM file of the certificate that is shown to the receiver.'),
  key_file_path: file().describe('PEM file of the key of that certificate.'),
  proxy: url(['http:', 'https:'], 'expected a URL such as http://user:password@proxy:3128')
    .nullable()
    .default(null)
    .describe('An HTTP proxy. It resolves names and dials: the address policy is then for it to keep.'),
  timeout: duration(100, 600_000).prefault('15s').describe('For one Attempt as a whole.'),
  retry: retry.prefault({}),
  ordering: z
    .enum(['none', 'row'])
    .default('none')
    .describe(
      'row: Deliveries of one row go out in commit order, also through retries and over all processes.',
    ),
  on_gone: z
    .enum(['pause', 'fail'])
    .optional()
    .describe('After a 410 response. Default: pause; fail where the url is a template.'),
  brake: brakeSchema.default(null),
  backlog: backlogSchema.prefault({}),
  concurrency: count(1, 1_000).default(8).describe('Requests in flight at once, over all processes.'),
  rate_limit: z
    .strictObject({ max: count(1, 100_000), per: duration(100, DAY_MS) })
    .nullable()
    .default(null)
    .describe('Requests started, over all processes, e.g. {max: 100, per: 1s}.'),
};

const required = {
  name: z.string().min(1).max(150).describe('Any text; told apart by it.'),
  models: z.array(z.string().min(1)).min(1).describe('Names of models, or "*" for every watched table.'),
  events: z.array(z.enum(EVENT_KINDS)).min(1),
  url: z.string().min(1).max(4_096).describe('A template.'),
};

export const webhookSchema = z.strictObject({ ...required, ...settings });

/** The same keys without their defaults, so that what is absent stays absent. */
const optionalSettings = Object.fromEntries(
  Object.entries(settings).map(([key, field]) => [key, field.unwrap().optional()]),
);

export const defaultsSchema = z
  .strictObject(optionalSettings)
  .describe('Any key of a webhook but name, models, events and url.');

/** What only the configuration file may say of a webhook: secrets, files, and who dials. */
export const FILE_ONLY: ReadonlySet<string> = new Set([
  'secret',
  'ca_file_path',
  'cert_file_path',
  'key_file_path',
  'proxy',
]);

export const SECRET_NAME = /^[A-Za-z0-9_.-]{1,100}$/;

/** What a row of walhook.webhook may say; what is absent stays absent. */
export const rowSchema = z.strictObject({
  ...required,
  ...withoutFileOnly(optionalSettings),
  secret_name: z.string().regex(SECRET_NAME, 'expected the name of a secret').optional(),
});

/** What may be written of a row, as JSON Schema; null stands for the default. */
export function rowJsonSchema(): Readonly<Record<string, unknown>> {
  const { $schema: _dialect, ...schema } = z.toJSONSchema(rowSchema, { io: 'input', unrepresentable: 'any' });
  return schema;
}

/** The entries of `values` that rows have a say in. */
export function withoutFileOnly<T>(values: Readonly<Record<string, T>>): Record<string, T> {
  return Object.fromEntries(Object.entries(values).filter(([key]) => !FILE_ONLY.has(key)));
}

export type WebhookConfig = z.output<typeof webhookSchema>;
export type RetryConfig = WebhookConfig['retry'];
