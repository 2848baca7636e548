/** The shape of `admin` in the configuration file: where the admin server listens, and who may do what. */
import { isIP } from 'node:net';
import { z } from 'zod';
import { secret } from './fields.ts';

export const ADMIN_ROLES = ['viewer', 'operator', 'admin'] as const;
export type AdminRole = (typeof ADMIN_ROLES)[number];

/** Where a server listens. */
export interface ListenAddress {
  readonly host: string;
  readonly port: number;
}

/** `127.0.0.1:8080`, `localhost:8080`, `[::1]:8080` → host and port; null when it is neither. */
export function parseListenAddress(text: string): ListenAddress | null {
  const match = /^(?:\[([0-9a-fA-F:.]+)\]|([A-Za-z0-9.-]+)):(\d{1,5})$/.exec(text);
  const [, bracketed, plain, digits] = match ?? [];
  const port = Number(digits);
  if (match === null || port > 65_535) return null;
  if (bracketed !== undefined && isIP(bracketed) !== 6) return null;
  return { host: (bracketed ?? plain ?? '').toLowerCase(), port };
}

/** Whether an address can be reached from this machine alone. */
export function isLoopback(host: string): boolean {
  return host === 'localhost' || host === '::1' || (isIP(host) === 4 && host.startsWith('127.'));
}

function listenAddress() {
  return z
    .string({ error: 'expected an address such as 127.0.0.1:8080' })
    .transform((text, context): ListenAddress => {
      const address = parseListenAddress(text);
      if (address === null) context.addIssue('expected an address such as 127.0.0.1:8080 or [::1]:8080');
      return address ?? { host: '127.0.0.1', port: 0 };
    });
}

const token = z.strictObject({
  name: z.string().min(1).max(100).describe('Stands in the log beside what was done with it.'),
  role: z.enum(ADMIN_ROLES).describe('viewer reads, operator resends and pauses, admin edits and reloads.'),
  token: secret(),
});

const settings = z
  .strictObject({
    listen: listenAddress().prefault('127.0.0.1:8080').describe('Anything but loopback needs tokens.'),
    metrics: listenAddress()
      .nullable()
      .default(null)
      .describe('/metrics and the probes on a port of their own, without a token, e.g. 0.0.0.0:9464.'),
    hosts: z
      .array(z.string().regex(/^[A-Za-z0-9.-]+(?::\d{1,5})?$|^\[[0-9a-fA-F:.]+\](?::\d{1,5})?$/))
      .max(100)
      .default([])
      .describe('Accepted Host names beside the listen address and localhost.'),
    tokens: z.array(token).max(100).default([]),
    viewer_payloads: z
      .boolean()
      .default(false)
      .describe('Whether viewers see what Events and requests hold.'),
  })
  .superRefine(({ listen, tokens }, context) => {
    if (tokens.length === 0 && !isLoopback(listen.host)) {
      context.addIssue({
        code: 'custom',
        path: ['tokens'],
        message: 'expected at least one token where listen is not a loopback address',
      });
    }
    const names = tokens.map(({ name }) => name);
    names.forEach((name, i) => {
      if (names.indexOf(name) === i) return;
      const path = ['tokens', i, 'name'];
      context.addIssue({ code: 'custom', path, message: 'is the name of another token already' });
    });
  });

/** false: no admin server. */
export const adminSchema = z.union([settings, z.literal(false)]).prefault({});

export type AdminConfig = z.output<typeof settings>;
