/** The dry run of the page and the API: nothing is sent, and no secret is shown. */
import type { JsonObject } from '../core/json.ts';
import { MASK } from '../core/secret.ts';
import { type TrialResult, tryEvent } from '../trial/trial.ts';
import type { AdminHost } from './host.ts';
import { isCredentialName, maskOf } from './masking.ts';
import { definitionOf } from './webhooks.ts';

/** Throws WEBHOOK_UNKNOWN. */
export function tryShown(host: AdminHost, name: string, event: JsonObject): TrialResult {
  return maskTrial(host, tryEvent(definitionOf(host, name), event, `walhook/${host.version}`));
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
