/** `walhook import`: webhooks of Peering Manager or NetBox into configuration. */
import { readFileSync, statSync, writeFileSync } from 'node:fs';
import { causeCode, WalhookError } from '../core/errors.ts';
import { readExports } from '../importing/entries.ts';
import { type Imported, importExports } from '../importing/imported.ts';
import { importedConfig, printImported } from '../importing/print.ts';
import { type CommandIo, type ExitStatus, line } from './io.ts';

export interface ImportOptions {
  readonly output?: string;
  readonly json?: boolean;
  readonly debug?: boolean;
}

/** Exits 1 when a webhook had to be left out; it is named on standard error and in the file. */
export async function importWebhooks(
  files: readonly string[],
  options: ImportOptions,
  io: CommandIo,
): Promise<ExitStatus> {
  const found = await Promise.all(files.map(async (file) => readExports(await readSource(file, io), file)));
  const list = found.flat();
  if (list.length === 0) {
    throw new WalhookError('IMPORT_INVALID', `expected exported webhooks in ${files.join(', ')}, found none`);
  }
  const imported = importExports(list);
  const text = options.json ? line(JSON.stringify(asJson(imported))) : printImported(imported);
  if (options.output === undefined) io.out(text);
  else write(options.output, text);
  tell(imported, io);
  return imported.leftOut.some(({ isLoss }) => isLoss) ? 1 : 0;
}

function asJson(imported: Imported) {
  return {
    config: importedConfig(imported),
    notes: imported.webhooks.flatMap(({ webhook, notes }) =>
      notes.map((note) => ({ webhook: webhook['name'], note })),
    ),
    left_out: imported.leftOut.map(({ name, reasons }) => ({ name, reasons })),
  };
}

/** What a person has to look at; the file says the same in its comments. */
function tell({ webhooks, leftOut }: Imported, io: CommandIo): void {
  for (const { webhook, notes } of webhooks) {
    for (const note of notes) io.err(line(`${String(webhook['name'])}: ${note}`));
  }
  for (const { name, reasons } of leftOut) io.err(line(`left out: ${name}: ${reasons.join('; ')}`));
}

async function readSource(file: string, io: CommandIo): Promise<string> {
  if (file === '-') return await io.readInput();
  try {
    return readFileSync(file, 'utf8');
  } catch (error) {
    throw new WalhookError(
      'IMPORT_INVALID',
      `expected a readable file at ${file}, found ${causeCode(error)}`,
      {
        cause: error,
      },
    );
  }
}

/** For its owner alone, as secrets may stand in it. A configuration that is there is left as it is. */
function write(file: string, text: string): void {
  const isThere = (statSync(file, { throwIfNoEntry: false })?.size ?? 0) > 0;
  if (isThere) {
    throw new WalhookError('USAGE', `--output: expected no file at ${file}, found one`, {
      remedy: 'name another file, or move that one away',
    });
  }
  writeFileSync(file, text, { mode: 0o600 });
}
