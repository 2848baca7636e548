/**
 * While capturing: names every Webhook whose tables do not send the before image it reads, and leaves out
 * those that could decide nothing without it.
 */
import type { Pool } from 'pg';
import type { ModelOptions } from '../change/table.ts';
import type { Logger } from '../core/logger.ts';
import { beforeImageFindings, missingBeforeImages } from '../definitions/beforeImages.ts';
import type { WebhookDefinition } from '../definitions/webhooks.ts';
import { Matcher } from '../match/match.ts';
import { readIdentity } from '../setup/installation.ts';
import { readTables } from '../setup/state.ts';

export interface StartOptions {
  readonly pool: Pool;
  readonly slot: string;
  readonly publication: string;
  readonly models: readonly ModelOptions[];
  readonly log: Logger;
}

/**
 * Which of the webhooks in force start, as of the tables' replica identities now. They may be asked for again
 * and again, as webhooks change; what was told is not told again.
 */
export async function startingWebhooks(
  options: StartOptions,
): Promise<(webhooks: readonly WebhookDefinition[]) => Matcher> {
  const { pool, slot, publication, models, log } = options;
  const { versionNumber } = await readIdentity(pool);
  const tables = await readTables(pool, { slot, publication, ownSchemas: ['walhook'] }, versionNumber);
  const told = new Set<string>();
  return (webhooks) => {
    const missing = missingBeforeImages(webhooks, models, tables);
    for (const one of missing) {
      const [finding] = beforeImageFindings([one]);
      if (finding === undefined || told.has(finding.message)) continue;
      const { code, level, message, remedy } = finding;
      told.add(message);
      log[level === 'problem' ? 'warn' : 'info']({ code, webhook: one.webhook.key, try: remedy }, message);
    }
    return new Matcher(
      webhooks.map(({ match }) => match),
      (target, model) =>
        missing.some((one) => one.blocks && one.webhook.key === target.key && one.model === model),
    );
  };
}
