/** `walhook check`: preflight of database and queue, each finding with its remedy. */
import { Scope } from '../core/lifecycle.ts';
import { checkDatabase, type Finding } from '../setup/check.ts';
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
  const { config } = loaded;
  const { slot, publication, plugin, tables: patterns } = config.postgres;
  const modelTables = config.models.map((model) => model.table);
  const findings = [
    ...checkDatabase({
      state: await readDatabaseState(client, namesOf(loaded)),
      slot,
      publication,
      plugin,
      patterns,
      modelTables,
      store: await store.state(),
      durability: (await store.durability()).note,
    }),
    ...(plugin === 'wal2json'
      ? wal2jsonFindings(await readWal2jsonTables(client, publication, modelTables))
      : []),
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
