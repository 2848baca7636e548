/** `walhook check`: preflight of database and queue, each finding with its remedy. */
import type { Client } from 'pg';
import { rateSince, readCaptureHealth } from '../capture/monitor.ts';
import type { LoadedConfig } from '../config/load.ts';
import { companionTables } from '../config/watchedTables.ts';
import { systemClock } from '../core/clock.ts';
import { Scope } from '../core/lifecycle.ts';
import { beforeImageFindings, missingBeforeImages } from '../definitions/beforeImages.ts';
import { defineReading } from '../definitions/reading.ts';
import { defineWebhooks } from '../definitions/webhooks.ts';
import { openGaps } from '../queue/gaps.ts';
import type { QueueStore } from '../queue/store.ts';
import { readSlotHealth } from '../replication/slotHealth.ts';
import { walBudget } from '../replication/walBudget.ts';
import type { Services } from '../services.ts';
import { checkDatabase, type Finding } from '../setup/check.ts';
import { checkSurroundings } from '../setup/checkSurroundings.ts';
import { compareHistory } from '../setup/history.ts';
import { presetFindings, readPresetFit } from '../setup/presetFit.ts';
import { readDatabaseState } from '../setup/state.ts';
import { readSurroundings } from '../setup/surroundings.ts';
import { readWal2jsonTables, wal2jsonFindings } from '../setup/wal2json.ts';
import { loadConfigFile } from './configFile.ts';
import { namesOf, openServices } from './connections.ts';
import { type CommandIo, type CommonOptions, type ExitStatus, line } from './io.ts';

/** Exit 0 all well, 1 findings, 3 could not check. Advice alone is no finding. */
export async function check(options: CommonOptions, io: CommandIo): Promise<ExitStatus> {
  const loaded = loadConfigFile(options, io);
  await using scope = new Scope();
  const { services, client, store } = await openServices(loaded, scope);
  const findings = await allFindings(loaded, services, client, store);
  const problems = findings.filter((finding) => finding.level === 'problem');
  if (options.json === true) {
    io.out(line(JSON.stringify({ ok: problems.length === 0, findings })));
  } else {
    for (const finding of findings) io.out(printed(finding));
    io.out(line(problems.length === 0 ? 'ready: walhook run' : `${problems.length} to mend`));
  }
  return problems.length === 0 ? 0 : 1;
}

/** Everything that is read, compared with everything that is wanted. */
async function allFindings(
  loaded: LoadedConfig,
  services: Services,
  client: Client,
  store: QueueStore,
): Promise<Finding[]> {
  const fit = await readPresetFit(client, loaded.config);
  const { config } = fit;
  const names = namesOf(loaded);
  const nowMs = systemClock.now();
  const state = await readDatabaseState(client, names);
  const bound = await store.state();
  const surroundings = await readSurroundings(client, names, services.replication, systemClock.now);
  const health = await readSlotHealth(client, names.slot);
  const history = { client, replication: services.replication, store, slotName: names.slot };
  const noted = await readCaptureHealth(store);
  const full = config.models.filter((model) => model.before_image === 'full');
  const database = checkDatabase({
    state,
    environment: config.environment,
    slot: names.slot,
    publication: names.publication,
    plugin: config.postgres.plugin,
    patterns: config.postgres.tables,
    modelTables: config.models.map((model) => model.table),
    companions: companionTables(config),
    store: bound,
    provider: surroundings.provider,
    durability: (await store.durability()).note,
  });
  const around = checkSurroundings({
    state,
    surroundings,
    health,
    budget: walBudget({
      retainedBytes: state.slot.retainedBytes,
      limitBytes: state.walLimitBytes,
      budgetBytes: config.postgres.wal_budget,
      safeWalBytes: health.safeWalBytes,
      bytesPerSecond: noted === null ? null : rateSince(noted, state.slot.currentLsn, nowMs),
    }),
    gaps: await openGaps(store),
    misfit:
      bound === null
        ? null
        : (await compareHistory({ ...history, publication: names.publication, nowMs }, bound, state.slot))
            .found,
    replicationUrl: services.replication.url(),
    fullTables: full.map(({ table }) => `${table.schema}.${table.table}`),
    wantsOrigin: config.postgres.origin === 'none',
  });
  const ofPreset = presetFindings(fit);
  // What is said of the preset's tables together need not be said of one of them.
  const isSaid = ofPreset.some(({ code }) => code === 'NO_BEFORE_IMAGE');
  const modelTables = config.models.map((model) => model.table);
  const ofPlugin =
    config.postgres.plugin === 'wal2json'
      ? wal2jsonFindings(await readWal2jsonTables(client, names.publication, modelTables))
      : [];
  const missing = missingBeforeImages(defineWebhooks(config), defineReading(config).models, state.tables);
  return [
    ...database.filter(({ code }) => code !== 'NO_BEFORE_IMAGE' || !isSaid),
    ...ofPreset,
    ...ofPlugin,
    ...beforeImageFindings(missing),
    ...around,
  ];
}

function printed({ code, level, message, remedy }: Finding): string {
  return `${level === 'problem' ? code : `${code} (advice)`}: ${message}\n  Try: ${remedy}\n`;
}
