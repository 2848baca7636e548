/** Kinds of values in the configuration file, each with its shape for people and for editors. */
import { z } from 'zod';
import { parseAllowed } from '../core/addressRules.ts';
import { Secret } from '../core/secret.ts';
import { DURATION_PATTERN, parseDuration, parseSize, SIZE_PATTERN } from './units.ts';

/** `30s` → milliseconds. */
export function duration(minMs = 0, maxMs = Number.MAX_SAFE_INTEGER) {
  return z
    .string({ error: 'expected a duration such as 500ms, 30s, 2h or 7d' })
    .meta({ pattern: DURATION_PATTERN })
    .transform((text, context) => {
      const ms = parseDuration(text);
      if (ms === null) context.addIssue('expected a duration such as 500ms, 30s, 2h or 7d');
      else if (ms < minMs) context.addIssue(`expected at least ${minMs}ms`);
      else if (ms > maxMs) context.addIssue(`expected at most ${maxMs}ms`);
      return ms ?? 0;
    });
}

/** `64KiB` → bytes. */
export function size(minBytes: number, maxBytes: number) {
  return z
    .string({ error: 'expected a size such as 500B, 64KiB or 10GiB' })
    .meta({ pattern: SIZE_PATTERN })
    .transform((text, context) => {
      const bytes = parseSize(text);
      if (bytes === null) context.addIssue('expected a size such as 500B, 64KiB or 10GiB');
      else if (bytes < minBytes) context.addIssue(`expected at least ${minBytes} bytes`);
      else if (bytes > maxBytes) context.addIssue(`expected at most ${maxBytes} bytes`);
      return bytes ?? 0;
    });
}

export function count(min: number, max: number) {
  return z.number().int().min(min).max(max);
}

/** What the address policy makes an exception for. */
export function allowedAddress() {
  return z.string().transform((text, context) => {
    const allowed = parseAllowed(text);
    if (allowed === null) {
      context.addIssue(
        'expected a network or host, with a port or without, e.g. 10.0.0.0/8 or localhost:9000',
      );
      return z.NEVER;
    }
    return allowed;
  });
}

/** A text that is never printed. */
export function secret() {
  return z
    .string()
    .min(1, 'expected a secret that is not empty')
    .transform((text) => new Secret(text));
}

/** A name that stands unquoted in replication commands. */
export function identifier(what: string) {
  return z.string().regex(/^[a-z_][a-z0-9_]{0,62}$/, {
    error: `expected a ${what} of lower-case letters, digits and underscores, at most 63`,
  });
}

/** `schema.table`; without a schema, public. */
export function tableName() {
  return z
    .string()
    .min(1)
    .transform((text) => {
      const dot = text.indexOf('.');
      return dot < 0
        ? { schema: 'public', table: text }
        : { schema: text.slice(0, dot), table: text.slice(dot + 1) };
    });
}

/** An absolute URL with one of the schemes given. */
export function url(schemes: readonly string[], message: string) {
  return z
    .string()
    .refine((text) => URL.canParse(text) && schemes.includes(new URL(text).protocol), { error: message })
    .transform((text) => new Secret(text));
}

const HOST_PATTERN = /^(?:\*|(?:\*\.)?[A-Za-z0-9_-]+(?:\.[A-Za-z0-9_-]+)*\.?|\[[0-9A-Fa-f:.]+\])$/;

/** `hooks.example.com`, `*.example.com` for every name below, or `*`. Lower case afterwards. */
export function hostPattern() {
  return z
    .string()
    .regex(HOST_PATTERN, { error: 'expected a host such as hooks.example.com, *.example.com or *' })
    .transform((text) => text.toLowerCase().replace(/\.$/, ''));
}
