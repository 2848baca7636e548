/** The dry run of the page and the API: nothing is sent, and no secret is shown. */
import type { JsonObject } from '../core/json.ts';
import { MASK } from '../core/secret.ts';
import { checkRow, defineRow, rowRulesOf } from '../definitions/defineRow.ts';
import { RowRefused, type RowValues } from '../definitions/rowStore.ts';
import type { WebhookDefinition } from '../definitions/webhooks.ts';
import { type TrialResult, tryEvent } from '../trial/trial.ts';
import type { AdminHost } from './host.ts';
import { isCredentialName, maskOf } from './masking.ts';
import { definitionOf } from './webhooks.ts';

/** Throws WEBHOOK_UNKNOWN. */
export function tryShown(host: AdminHost, name: string, event: JsonObject): TrialResult {
  return maskTrial(host, tryEvent(definitionOf(host, name), event, `walhook/${host.version}`));
}

/** A webhook that is not kept anywhere. Throws RowRefused. */
export function tryWritten(host: AdminHost, values: RowValues, event: JsonObject): TrialResult {
  return maskTrial(host, tryEvent(defineWritten(host, values), event, `walhook/${host.version}`));
}

/** What a row of these values would be. Throws RowRefused with every mistake. */
export function defineWritten(host: AdminHost, values: RowValues): WebhookDefinition {
  const mistakes = checkRow({ values }, rowRulesOf(host.live.current.loaded.config));
  if (mistakes.length > 0) throw new RowRefused(mistakes);
  return defineRow({ id: '', values }, 'draft', rowRulesOf(host.live.current.loaded.config));
}

export function maskTrial(host: AdminHost, { request, error, ...result }: TrialResult): TrialResult {
  const mask = maskOf(host.live.current.loaded);
  return {
    ...result,
    request:
      request === null
        ? null
        : {
            method: request.method,
            url: mask(request.url),
            headers: Object.fromEntries(
              Object.entries(request.headers).map(([header, value]) => [
                header,
                isCredentialName(header) ? MASK : mask(value),
              ]),
            ),
            body: mask(request.body),
          },
    error: error === null ? null : { ...error, message: mask(error.message) },
  };
}
