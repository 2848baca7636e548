/** `walhook init`: reads a database's catalog and writes a starter configuration that validates and runs. */
import { existsSync, writeFileSync } from 'node:fs';
import { causeCode, WalhookError } from '../core/errors.ts';
import { Scope } from '../core/lifecycle.ts';
import { connect, NO_TLS } from '../database/connect.ts';
import { readTables } from '../init/catalog.ts';
import { propose } from '../init/propose.ts';
import { configurationFile } from '../init/write.ts';
import { type CommandIo, type ExitStatus, line } from './io.ts';

export interface InitOptions {
  /** Where to write; `-` prints. */
  readonly config?: string;
  readonly url?: string;
  readonly force?: boolean;
}

/** Never overwrites a file unless told to. Throws POSTGRES_UNREACHABLE and its like. */
export async function init(options: InitOptions, io: CommandIo): Promise<ExitStatus> {
  const path = options.config ?? io.env['WALHOOK_CONFIG'] ?? './walhook.yaml';
  if (path !== '-' && options.force !== true && existsSync(path)) {
    throw new WalhookError('USAGE', `expected a place to write to, found that ${path} is there already`, {
      remedy: 'walhook init --force, or --config FILE with another name, or --config - to print',
    });
  }
  const url = options.url ?? io.env['DATABASE_URL'] ?? null;
  await using scope = new Scope();
  const client = await connect({ url: () => url, tls: NO_TLS, role: 'watched' });
  scope.defer(() => client.end());
  const { rows } = await client.query<{ database: string; server: string }>(
    "select current_database() as database, current_setting('server_version') as server",
  );
  const head = rows[0] ?? { database: '', server: '' };
  const proposal = propose(await readTables(client));
  const text = configurationFile(proposal, head);
  if (path === '-') {
    io.out(text);
    return 0;
  }
  write(path, text);
  io.out(line(`${path}: ${proposal.models.length} models, ${proposal.leftOut.length} tables left out`));
  io.out(line('It reads DATABASE_URL and QUEUE_URL. Next: walhook validate, walhook setup, walhook check'));
  return 0;
}

function write(path: string, text: string): void {
  try {
    writeFileSync(path, text);
  } catch (error) {
    throw new WalhookError(
      'USAGE',
      `expected to write ${path}, found ${causeCode(error) ?? 'that it cannot be'}`,
      {
        remedy: 'walhook init --config FILE, in a folder that can be written',
        cause: error,
      },
    );
  }
}
