/** The shape of what bounds and guards the queue: its section, retention, and a webhook's backlog and brake. */
import { z } from 'zod';
import { isRedisUrl, parseRedisUrl } from '../core/redisUrl.ts';
import { Secret } from '../core/secret.ts';
import { count, duration, identifier, secret, size } from './fields.ts';

const DAY_MS = 86_400_000;
const GIB = 1_073_741_824;

/** Enough for a key of 128 bits, whatever it is written in. */
const MIN_KEY_LENGTH = 16;

function encryptionKey() {
  return secret().refine(
    (key) => key.reveal().length >= MIN_KEY_LENGTH,
    `expected a key of at least ${MIN_KEY_LENGTH} characters, e.g. of openssl rand -base64 32`,
  );
}

/** A PostgreSQL's URL, or one of a Redis in its forms. */
function queueUrl() {
  return z
    .string()
    .superRefine((text, context) => {
      const message = mistakeOf(text);
      if (message !== null) context.addIssue({ code: 'custom', message });
    })
    .transform((text) => new Secret(text));
}

function mistakeOf(text: string): string | null {
  if (isRedisUrl(text)) {
    try {
      parseRedisUrl(text);
      return null;
    } catch (error) {
      return (error instanceof Error ? error.message : String(error)).replace(/^queue\.url: /, '');
    }
  }
  if (/^postgres(ql)?:/.test(text) && URL.canParse(text)) return null;
  return 'expected a URL that starts with redis://, rediss://, redis+sentinel://, redis+cluster:// or postgres://';
}

export const queueSchema = z.strictObject({
  url: queueUrl().describe(
    'Where Deliveries wait: redis://, rediss:// (TLS), redis+sentinel://, redis+cluster:// or postgres://; deliveries.md has the forms.',
  ),
  prefix: identifier('prefix').default('walhook').describe('Tells apart several walhooks on one store.'),
  same_database: z.boolean().default(false).describe('Allow a postgres:// queue in the watched database.'),
  ack_delay: z
    .union([z.literal('auto'), duration(0, 600_000)])
    .default('auto')
    .describe(
      'How long the acknowledgement trails a flush. auto: until WAITAOF confirms it (Redis 7.2, Valkey); 2s on older Redis with AOF (30s with appendfsync no); else 0. With Sentinel or Cluster a connected replica must have it too.',
    ),
  encryption_key: z
    .union([encryptionKey(), z.array(encryptionKey()).max(10)])
    .nullable()
    .default(null)
    .describe('Seals Event text at rest with AES-256-GCM; a list while rotating: the first seals, all open.'),
  require_noeviction: z
    .boolean()
    .default(true)
    .describe('Refuse a Redis that may throw keys away when its memory is full.'),
});

export const retentionSchema = z
  .strictObject({
    delivered: z
      .strictObject({
        age: duration(0, 366 * DAY_MS).prefault('1h'),
        count: count(0, 10_000_000).default(10_000),
      })
      .prefault({})
      .describe('Delivered ones stay this long, and at most so many.'),
    failed: duration(0, 366 * DAY_MS)
      .prefault('30d')
      .describe('Failed and cancelled ones stay this long, and can be resent.'),
    bodies: duration(0, 366 * DAY_MS)
      .prefault('7d')
      .describe('Requests and responses stay this long in the log of Attempts.'),
    bytes: size(1_048_576, 1_024 * GIB)
      .prefault('256MiB')
      .describe('What the log may take in all; above it the oldest go first.'),
    orphans: duration(0, 366 * DAY_MS)
      .prefault('7d')
      .describe('Deliveries of a webhook that is defined no more wait this long for it.'),
  })
  .describe('How long what has ended stays in the log.');

export const backlogSchema = z
  .strictObject({
    max: count(1, 100_000_000).default(100_000).describe('Deliveries that wait, wherever they wait.'),
    bytes: size(1_024, 1_024 * GIB)
      .prefault('256MiB')
      .describe('Bytes of Events that wait.'),
    // biome-ignore lint/suspicious/noThenProperty: it is the name of the documented key, not a promise's.
    then: z
      .enum(['overflow', 'drop_oldest', 'hold'])
      .default('overflow')
      .describe('overflow: store nothing further, record a Gap. hold: the stream waits, for all webhooks.'),
  })
  .describe('The bound of what waits for one webhook.');

export const brakeSchema = z
  .strictObject({
    max: count(1, 100_000_000).describe('Matches.'),
    per: duration(1_000, DAY_MS).describe('In this time.'),
  })
  .nullable()
  .describe('More matches than that pause the webhook; its Deliveries wait.');

export type QueueConfig = z.output<typeof queueSchema>;
