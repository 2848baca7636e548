/** `walhook try`: what would this Webhook do with this Event? Offline. */
import { readFileSync } from 'node:fs';
import type { ChangeKind } from '../change/transaction.ts';
import { toWalhookError, WalhookError } from '../core/errors.ts';
import type { JsonObject } from '../core/json.ts';
import { defineWebhooks, type WebhookDefinition } from '../definitions/webhooks.ts';
import { prepareRequest } from '../deliver/request.ts';
import { Matcher } from '../match/match.ts';
import { packageVersion } from '../version.ts';
import { invalidConfig, readConfigFile } from './configFile.ts';
import { deliveryOf, readEvents } from './eventInput.ts';
import { type CommandIo, type CommonOptions, type ExitStatus, line } from './io.ts';

export interface TryOptions extends CommonOptions {
  readonly webhook: string;
  readonly event: string;
  readonly expectMatch?: boolean;
}

/** What is printed for each Event. */
interface TryResult {
  readonly matched: boolean;
  readonly explain: Readonly<Record<string, unknown>>;
  readonly request: {
    readonly method: string;
    readonly url: string;
    readonly headers: Readonly<Record<string, string>>;
    readonly body: string;
  } | null;
  readonly error: { readonly code: string; readonly message: string } | null;
}

/** Of several Events the worst result decides the exit code. */
export async function tryWebhook(options: TryOptions, io: CommandIo): Promise<ExitStatus> {
  const file = readConfigFile(options, io, {
    needsServices: false,
    needsVariable: (path) => path.startsWith('webhooks[') || path.startsWith('defaults.'),
  });
  const { loaded } = file.result;
  if (loaded === null || file.mistakes.length > 0) throw invalidConfig(file);
  const definition = defineWebhooks(loaded.config).find(({ match }) => match.name === options.webhook);
  if (definition === undefined) {
    const names = loaded.config.webhooks.map(({ name }) => name).join(', ') || 'none';
    throw new WalhookError('WEBHOOK_UNKNOWN', `expected a webhook named ${options.webhook}, found ${names}`);
  }
  let worst: ExitStatus = 0;
  for (const event of readEvents(await eventSource(options.event, io))) {
    const result = tryOne(definition, event);
    io.out(line(JSON.stringify(result)));
    if (result.error !== null || (!result.matched && options.expectMatch === true)) worst = 1;
  }
  return worst;
}

async function eventSource(file: string, io: CommandIo): Promise<string> {
  if (file === '-') return await io.readInput();
  try {
    return readFileSync(file, 'utf8');
  } catch (error) {
    throw new WalhookError('EVENT_INVALID', `expected a readable file, found none at ${file}`, {
      cause: error,
    });
  }
}

function tryOne(definition: WebhookDefinition, event: JsonObject): TryResult {
  const { match, deliver } = definition;
  const model = String(event['model']);
  const kind = event['event'] as ChangeKind;
  const explain = {
    enabled: match.enabled,
    model: { expected: match.models, found: model },
    event: { expected: match.events, found: kind },
  };
  const matched = new Matcher([match]).targets(model, kind).length > 0;
  if (!matched) return { matched, explain, request: null, error: null };
  try {
    const delivery = deliveryOf(event);
    const request = prepareRequest(deliver, delivery, { nowMs: 0, userAgent: `walhook/${packageVersion()}` });
    return {
      matched,
      explain,
      request: {
        method: request.method,
        url: request.origin + request.path,
        headers: shownHeaders(request.headers),
        body: request.body.toString('utf8'),
      },
      error: null,
    };
  } catch (error) {
    const { code, message } = toWalhookError(error);
    return { matched, explain, request: null, error: { code, message } };
  }
}

/** What the definition decides; identity, time and signatures are of the Attempt. */
function shownHeaders(headers: readonly (readonly [string, string])[]): Record<string, string> {
  const own = new Set([
    'user-agent',
    'webhook-id',
    'webhook-timestamp',
    'webhook-signature',
    'x-hook-signature',
  ]);
  const shown: [string, string][] = [];
  for (const [name, value] of headers) {
    const lower = name.toLowerCase();
    if (!own.has(lower)) shown.push([lower, lower === 'authorization' ? '[secret]' : value]);
  }
  return Object.fromEntries(shown);
}
