/** `walhook check`: preflight of database and queue, each finding with its remedy. */
import { companionTables } from '../config/watchedTables.ts';
import { Scope } from '../core/lifecycle.ts';
import { beforeImageFindings, missingBeforeImages } from '../definitions/beforeImages.ts';
import { defineReading } from '../definitions/reading.ts';
import { defineWebhooks } from '../definitions/webhooks.ts';
import { checkDatabase, type Finding } from '../setup/check.ts';
import { presetFindings, readPresetFit } from '../setup/presetFit.ts';
import { readDatabaseState } from '../setup/state.ts';
import { readWal2jsonTables, wal2jsonFindings } from '../setup/wal2json.ts';
import { loadConfigFile } from './configFile.ts';
import { namesOf, openServices } from './connections.ts';
import { type CommandIo, type CommonOptions, type ExitStatus, line } from './io.ts';

/** Exit 0 all well, 1 findings, 3 could not check. Advice alone is no finding. */
export async function check(options: CommonOptions, io: CommandIo): Promise<ExitStatus> {
  const loaded = loadConfigFile(options, io);
  await using scope = new Scope();
  const { client, store } = await openServices(loaded, scope);
  const fit = await readPresetFit(client, loaded.config);
  const { config } = fit;
  const { slot, publication, plugin, tables: patterns } = config.postgres;
  const modelTables = config.models.map((model) => model.table);
  const state = await readDatabaseState(client, namesOf(loaded));
  const database = checkDatabase({
    state,
    environment: config.environment,
    slot,
    publication,
    plugin,
    patterns,
    modelTables,
    companions: companionTables(config),
    store: await store.state(),
    durability: (await store.durability()).note,
  });
  const ofPreset = presetFindings(fit);
  // What is said of the preset's tables together need not be said of one of them.
  const isSaid = ofPreset.some(({ code }) => code === 'NO_BEFORE_IMAGE');
  const ofPlugin =
    plugin === 'wal2json' ? wal2jsonFindings(await readWal2jsonTables(client, publication, modelTables)) : [];
  const missing = missingBeforeImages(defineWebhooks(config), defineReading(config).models, state.tables);
  const findings = [
    ...database.filter(({ code }) => code !== 'NO_BEFORE_IMAGE' || !isSaid),
    ...ofPreset,
    ...ofPlugin,
    ...beforeImageFindings(missing),
  ];
  const problems = findings.filter((finding) => finding.level === 'problem');
  if (options.json === true) {
    io.out(line(JSON.stringify({ ok: problems.length === 0, findings })));
  } else {
    for (const finding of findings) io.out(printed(finding));
    io.out(line(problems.length === 0 ? 'ready: walhook run' : `${problems.length} to mend`));
  }
  return problems.length === 0 ? 0 : 1;
}

function printed({ code, level, message, remedy }: Finding): string {
  return `${level === 'problem' ? code : `${code} (advice)`}: ${message}\n  Try: ${remedy}\n`;
}
