/** `walhook try`: what would this Webhook do with this Event? Offline. */
import { readFileSync } from 'node:fs';
import { WalhookError } from '../core/errors.ts';
import { stringifyJson } from '../core/json.ts';
import { defineWebhookNamed, type WebhookDefinition } from '../definitions/webhooks.ts';
import { readEvents } from '../trial/eventInput.ts';
import { tryEvent } from '../trial/trial.ts';
import { packageVersion } from '../version.ts';
import { formatMistake, invalidConfig, readConfigForTrial } from './configFile.ts';
import { type CommandIo, type CommonOptions, type ExitStatus, line } from './io.ts';

export interface TryOptions extends CommonOptions {
  readonly webhook: string;
  readonly event: string;
  readonly expectMatch?: boolean;
}

/** One line of JSON for each Event. Of several Events the worst result decides the exit code. */
export async function tryWebhook(options: TryOptions, io: CommandIo): Promise<ExitStatus> {
  const definition = readDefinition(options, io);
  const userAgent = `walhook/${packageVersion()}`;
  let worst: ExitStatus = 0;
  for (const event of readEvents(await eventSource(options.event, io))) {
    const result = tryEvent(definition, event, userAgent);
    io.out(line(stringifyJson(result)));
    if (result.error !== null || (!result.matched && options.expectMatch === true)) worst = 1;
  }
  return worst;
}

function readDefinition(options: TryOptions, io: CommandIo): WebhookDefinition {
  const file = readConfigForTrial(options, io, (name) => name === options.webhook, { needsServices: false });
  const { loaded, warnings } = file.result;
  if (loaded === null || file.mistakes.length > 0) throw invalidConfig(file);
  const definition = defineWebhookNamed(loaded.config, options.webhook, loaded.templateEnv);
  if (definition === null) {
    const names = loaded.config.webhooks.map(({ name }) => name).join(', ') || 'none';
    throw new WalhookError('WEBHOOK_UNKNOWN', `expected a webhook named ${options.webhook}, found ${names}`);
  }
  for (const warning of warnings) io.err(line(`${formatMistake(file.path, warning)} (warning)`));
  return definition;
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
