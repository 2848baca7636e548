/** `walhook try`: what would this Webhook do with this Event? Offline. */
import { readFileSync } from 'node:fs';
import type { LoadedConfig } from '../config/load.ts';
import type { Config } from '../config/schema.ts';
import { systemClock } from '../core/clock.ts';
import { toWalhookError, WalhookError } from '../core/errors.ts';
import { stringifyJson } from '../core/json.ts';
import { settlesWithin } from '../core/lifecycle.ts';
import { judgeRow, rowRulesOf } from '../definitions/defineRow.ts';
import { readPublished } from '../definitions/published.ts';
import { defineWebhookNamed, type WebhookDefinition } from '../definitions/webhooks.ts';
import { openQueue } from '../queue/open.ts';
import { servicesOf } from '../services.ts';
import { readEvents } from '../trial/eventInput.ts';
import { tryEvent } from '../trial/trial.ts';
import { packageVersion } from '../version.ts';
import { formatMistake, invalidConfig, loadConfigFile, readConfigForTrial } from './configFile.ts';
import { type CommandIo, type CommonOptions, type ExitStatus, line } from './io.ts';

export interface TryOptions extends CommonOptions {
  readonly webhook: string;
  readonly event: string;
  readonly expectMatch?: boolean;
}

/** One line of JSON for each Event. Of several Events the worst result decides the exit code. */
export async function tryWebhook(options: TryOptions, io: CommandIo): Promise<ExitStatus> {
  const definition = await readDefinition(options, io);
  const userAgent = `walhook/${packageVersion()}`;
  let worst: ExitStatus = 0;
  for (const event of readEvents(await eventSource(options.event, io))) {
    const result = tryEvent(definition, event, userAgent);
    io.out(line(stringifyJson(result)));
    if (result.error !== null || (!result.matched && options.expectMatch === true)) worst = 1;
  }
  return worst;
}

/** Of the file, offline; a webhook that the file does not have may be one kept as a row, which the queue knows. */
async function readDefinition(options: TryOptions, io: CommandIo): Promise<WebhookDefinition> {
  const file = readConfigForTrial(options, io, (name) => name === options.webhook, { needsServices: false });
  const { loaded, warnings } = file.result;
  if (loaded === null || file.mistakes.length > 0) throw invalidConfig(file);
  const definition = defineWebhookNamed(loaded.config, options.webhook, loaded.templateEnv);
  if (definition === null) {
    const names = loaded.config.webhooks.map(({ name }) => name).join(', ') || 'none';
    return await readRowDefinition(options, io, names);
  }
  for (const warning of warnings) io.err(line(`${formatMistake(file.path, warning)} (warning)`));
  return definition;
}

/** How long the queue may take to answer: a mistyped name is to be told soon. */
const ANSWER_MS = 5_000;

/** Throws WEBHOOK_UNKNOWN where the queue cannot be asked either; WEBHOOK_INVALID where the row has mistakes. */
async function readRowDefinition(
  options: TryOptions,
  io: CommandIo,
  ofFile: string,
): Promise<WebhookDefinition> {
  const unknown = (remedy: string) =>
    new WalhookError('WEBHOOK_UNKNOWN', `expected a webhook named ${options.webhook}, found ${ofFile}`, {
      remedy,
    });
  let found: { readonly config: Config; readonly definitions: string | null };
  try {
    const loaded = loadConfigFile(options, io);
    const definitions = await soon(publishedDefinitions(loaded), ANSWER_MS);
    found = { config: loaded.config, definitions };
  } catch (error) {
    const { code } = toWalhookError(error);
    throw unknown(
      `walhook validate; those kept as rows are known where the queue can be asked (found ${code})`,
    );
  }
  const { rows, defaults } = readPublished(found.definitions);
  const row =
    rows.find(({ values }) => values['name'] === options.webhook) ??
    rows.find(({ key }) => key === options.webhook);
  if (row === undefined) throw unknown('walhook webhooks list');
  const { conditions } = found.config.defaults;
  const rules = { ...rowRulesOf(found.config), defaults: { conditions, ...defaults } };
  const judged = judgeRow(row, row.key, rules);
  if (judged.kind === 'invalid') throw new WalhookError('WEBHOOK_INVALID', judged.problems.join('; '));
  return judged.definition;
}

async function publishedDefinitions(loaded: LoadedConfig): Promise<string | null> {
  const store = await openQueue(servicesOf(loaded).queue, systemClock);
  try {
    return (await store.state())?.definitions ?? null;
  } finally {
    await store.close();
  }
}

/** Throws QUEUE_UNREACHABLE where the answer does not come. */
async function soon<T>(promise: Promise<T>, ms: number): Promise<T> {
  if (await settlesWithin(promise, ms)) return await promise;
  throw new WalhookError('QUEUE_UNREACHABLE', `expected the queue to answer within ${ms} ms`);
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
